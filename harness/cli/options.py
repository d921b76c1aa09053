"""Options that several verbs share. ``HARNESS_<NAME>`` in the environment mirrors each of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
        help="The database.",
    )


def registries() -> Decorator:
    return option(
        "--registry",
        "registry_files",
        type=click.Path(path_type=Path, readable=False),
        multiple=True,
        metavar="FILE",
        help="An overlay on the built-in registry; may be repeated.",
    )


def strict() -> Decorator:
    return option(
        "--strict",
        is_flag=True,
        help="End with 1 where the suite names what no installed plugin offers.",
    )


class _Place(click.types.StringParamType):
    """NAME=PATH. Several in the variable stand apart; a space inside a path is the path's."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return re.split(r"\s+(?=[A-Za-z0-9][A-Za-z0-9._+-]*=)", rv.strip())


def data_sets(text: str) -> Decorator:
    """``--data``, with ``text`` for its help."""
    return option("--data", type=_Place(), multiple=True, metavar="NAME=PATH", help=text)


def output_format() -> Decorator:
    return option(
        "--format",
        "format",
        type=click.Choice(["table", "json", "csv", "md"]),
        default="table",
        help="How to print it.",
    )
