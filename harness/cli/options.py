"""Options that several verbs share. ``HARNESS_<NAME>`` in the environment mirrors each of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import click

from harness.api.command import Decorator as Decorator
from harness.api.command import database_option, format_option
from harness.api.command import option as option
from harness.api.results import PointsOf
from harness.definition import Numerics


def database() -> Decorator:
    return database_option


def preprocessing() -> Decorator:
    return option(
        "--preprocessing",
        metavar="FIELD=VALUE,...",
        help="Input of the models that no registry names: size, mean, std, channels, background,"
        " crop, interpolation (size=32,mean=.5,std=.5).",
    )


def own_dataset() -> Decorator:
    return option(
        "--dataset",
        metavar="READER:PATH",
        help="Dataset of the run that no registry names, as it was given to the run.",
    )


def registries() -> Decorator:
    return option(
        "--registry",
        "registry_files",
        type=click.Path(path_type=Path, readable=False),
        multiple=True,
        metavar="FILE",
        help="Overlay on the built-in registry; may be repeated.",
    )


def decorated(command: Any, *options: Decorator) -> Any:
    """``command`` with ``options``, which its help shows in this order."""
    for decorate in reversed(options):
        command = decorate(command)
    return command


def numerics_option(default: Numerics | None = None) -> Decorator:
    """``--numerics``; without a ``default`` the suite's."""
    suites = "" if default else ", instead of the suite's"
    return option(
        "--numerics",
        type=click.Choice(get_args(Numerics)),
        default=default,
        help=f"Numerics of gradients{suites}; verdicts are always in IEEE fp32.",
    )


def strict() -> Decorator:
    return option(
        "--strict",
        is_flag=True,
        help="Exit with code 1 if the suite names a component that no installed plugin provides.",
    )


class _Place(click.types.StringParamType):
    """NAME[@HOST]=PATH. In the variable spaces separate several; a path may contain spaces."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return re.split(r"\s+(?=[A-Za-z0-9][A-Za-z0-9._+-]*(?:@[^\s=/]+)?=)", rv.strip())


def data_places(text: str) -> Decorator:
    """``--data``, with ``text`` for its help."""
    return option("--data", type=_Place(), multiple=True, metavar="NAME=PATH", help=text)


def at_option() -> Decorator:
    return option(
        "--at",
        metavar="BUDGET|NORM=BUDGET,...",
        help="Robust accuracy at this budget (4/255, 0.5), from stored smallest distortions. With"
        " norms (linf=4/255,l2=0.5) an image is robust only under all attacks of all of them;"
        " --attack then takes several, separated by commas. Default goal: untargeted.",
    )


def points_option() -> Decorator:
    return option(
        "--points",
        type=click.Choice(get_args(PointsOf)),
        default="returned",
        help="Whose distances: of the images that attacks returned, or of the best point over every"
        " query, where queries are stored.",
    )


def output_format() -> Decorator:
    return format_option
