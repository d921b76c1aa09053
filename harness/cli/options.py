"""Options that several verbs share. ``HARNESS_<NAME>`` in the environment mirrors each of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from harness.definition import Numerics
from harness.report.presentation import FORMATS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(flag: str, *names: str, **settings: Any) -> Decorator:
    """`click.option` that also reads ``HARNESS_<FLAG>`` and shows its default."""
    variable = "HARNESS_" + flag.lstrip("-").replace("-", "_").upper()
    settings.setdefault("show_default", settings.get("default") is not None)
    return click.option(flag, *names, envvar=variable, **settings)


def database() -> Decorator:
    return option(
        "--db",
        "db",
        type=click.Path(path_type=Path, dir_okay=False, readable=False),
        default=Path("harness.db"),
        metavar="PATH",
        help="Database file.",
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


def output_format() -> Decorator:
    return option(
        "--format",
        "format",
        type=click.Choice(FORMATS),
        default="table",
        help="Output format.",
    )
