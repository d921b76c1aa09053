"""How a verb of ``harness`` is made; `harness.verbs` lists them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click

from harness.cli.extensible import Extensible
from harness.verbs import VERBS


def verb(
    name: str, cls: type[click.Command] = click.Command
) -> Callable[[Callable[..., Any]], click.Command]:
    """The command of a verb: its help is the verb's summary, then the function's docstring."""

    def made(function: Callable[..., Any]) -> click.Command:
        details = inspect.cleandoc(function.__doc__ or "")
        text = f"{VERBS[name].summary}\n\n{details}".rstrip()
        return click.command(name, cls=cls, help=text)(function)

    return made


def group(name: str) -> click.Group:
    """The group of a verb that has verbs of its own, to which plugins may add."""
    return Extensible(name, help=VERBS[name].summary)
