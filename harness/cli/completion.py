"""Completion in shells: click's own, and the names of suites, models, attacks and the like.

A shell that asks has nobody to tell of errors: what cannot be read offers no names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from harness.terminal import echo

if TYPE_CHECKING:
    from sqlite3 import Connection

    from harness.registry import Registry

VARIABLE = "_HARNESS_COMPLETE"
"""What a shell asks by: ``bash_source`` for the script, ``bash_complete`` for completions."""

Names = Callable[[click.Context], Iterable[tuple[str, str]]]
"""Names with a line about each; the latter may be empty."""


def complete(cli: click.Command) -> bool:
    """Answer a shell, if one asks; whether it did."""
    asked = os.environ.get(VARIABLE)
    if not asked:
        return False
    shell, _, instruction = asked.partition("_")
    made = get_completion_class(shell)
    if made is not None:
        # `echo` has stdout even where plugins are loaded meanwhile.
        found = made(cli, {}, "harness", VARIABLE)
        with suppress(Exception):
            echo(found.source() if instruction == "source" else found.complete())
    return True


def offer_names(command: click.Command) -> None:
    """Have the options and arguments of a verb of the harness complete names."""
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            for parameter in verb.params:
                if (verb.name, parameter.name) == ("show", "name") and command.name in NOUNS:
                    _let(parameter, NOUNS[command.name])
    for parameter in command.params:
        if parameter.name in OPTIONS:
            _let(parameter, OPTIONS[parameter.name])


def _let(parameter: click.Parameter, names: Names) -> None:
    setattr(parameter, "shell_complete", partial(_matching, names))  # noqa: B010  a method of click's


def _matching(names: Names, context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The names that begin so; of a list its last item."""
    before, comma, last = incomplete.rpartition(",")
    with suppress(Exception):
        return [
            CompletionItem(before + comma + name, help=about or None)
            for name, about in dict(names(context)).items()
            if name.startswith(last)
        ]
    return []


def _registry(context: click.Context) -> Registry:
    from harness.registry import load

    return load(context.params.get("registry_files") or ())


def _suites(context: click.Context) -> Iterator[tuple[str, str]]:
    """Those that were run, then those of the registry."""
    from harness.store.read.cells import suites

    yield from _stored(context, suites)
    for suite in _registry(context).suites.values():
        yield suite.name, suite.summary


def _models(context: click.Context) -> Iterator[tuple[str, str]]:
    yield from _ran(context)
    for model in _registry(context).models.values():
        if model.seed is None:  # other seeds would be most of the list
            yield model.name, model.family or ""


def _ran(context: click.Context) -> Iterable[tuple[str, str]]:
    """Models that were run."""
    from harness.store.read.cells import model_facts

    return _stored(context, model_facts)


def _stored(
    context: click.Context, names: Callable[[Connection], Iterable[str]]
) -> list[tuple[str, str]]:
    """What the database holds, if there is one."""
    from harness.store.database import reading

    path = Path(context.params.get("db") or "harness.db")
    if not path.is_file():
        return []
    with reading(path) as db:
        return [(name, "stored") for name in names(db.conn)]


def _components(*kinds: str) -> Names:
    """What plugins offer."""

    def names(context: click.Context) -> Iterator[tuple[str, str]]:
        from harness.plugins import Kind, installed

        for kind in kinds:
            for each in installed().all(Kind(kind)):
                yield each.name, each.summary

    return names


def _executors(context: click.Context) -> Iterator[tuple[str, str]]:
    from harness.execute.executors.names import AUTO, BUILT_IN

    yield AUTO, "What fits the devices and the work"
    yield from BUILT_IN.items()
    yield from _components("executor")(context)


def _goals(context: click.Context) -> Iterator[tuple[str, str]]:
    from harness.api import Goal

    return ((goal.value, "") for goal in Goal)


def _plugins(context: click.Context) -> Iterator[tuple[str, str]]:
    from harness.plugins import installed

    return ((report.name, report.distribution) for report in installed().reports)


def _datasets(context: click.Context) -> Iterator[tuple[str, str]]:
    return ((each.name, each.summary) for each in _registry(context).datasets.values())


OPTIONS: dict[str, Names] = {
    "suite": _suites,
    "models": _models,
    "first": _ran,
    "second": _ran,
    "model": _ran,
    "attack": _components("attack"),
    "attacks": _components("attack", "measurement"),
    "goal": _goals,
    "goals": _goals,
    "executor": _executors,
    "observe": _components("observer"),
}
"""By the name of an option or argument, whatever the verb."""

NOUNS: dict[str, Names] = {
    "suites": _suites,
    "models": _models,
    "datasets": _datasets,
    "plugins": _plugins,
    "executors": _executors,
    **{f"{kind}s": _components(kind) for kind in ("attack", "measurement", "metric", "observer")},
}
"""What ``harness NOUN show`` shows."""
