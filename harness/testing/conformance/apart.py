"""Rules checked in a process of its own: whatever hangs, exits or crashes there is one result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from harness.api import HarnessError
from harness.contained import cause, contained
from harness.engine.child import Child
from harness.testing.conformance.cases import checkups
from harness.testing.conformance.component import PLUGIN, examples_in
from harness.testing.conformance.rule import Result, State

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
"""Toy models are so small that a second thread makes them slow; nothing may be downloaded."""

IMPORTING = 60.0
"""Seconds that importing plugins, and torch, may take at least."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is checked.

    Attributes:
        known: what processes have found out that are gone.
        spent: kind and name of the components that have had their time.
    """

    distribution: str
    kind: str | None = None
    name: str | None = None
    examples: Path | None = None
    known: tuple[Result, ...] = ()
    spent: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A rule is next; ``result`` says which, and is else empty."""

    result: Result


@dataclass(frozen=True, slots=True)
class _Refused:
    """An error of ours, in parts: as a whole it would lose some on its way."""

    kind: type[HarnessError]
    what: str
    where: str | None
    hint: str | None


def checked_apart(asked: Asked, seconds: float) -> Iterator[Result]:
    """What becomes of every rule, as it is found out.

    Args:
        seconds: how long all rules of one component may take together.

    Raises:
        HarnessError: there is no such distribution, or its examples cannot be used.
    """
    while True:
        attempt = _Attempt(asked, seconds)
        yield from attempt.results()
        if attempt.done:
            return
        asked = attempt.rest


class _Attempt:
    """One process, until it has no more to do, or dies, or takes too long.

    Attributes:
        done: whether all is checked; else ``rest`` is left.
    """

    def __init__(self, asked: Asked, seconds: float) -> None:
        self.rest, self._seconds, self.done = asked, seconds, False
        self._due, self._busy = _nothing(asked), False
        self._began = self._heard = time.monotonic()

    def results(self) -> Iterator[Result]:
        child = Child(_work, name="conformance", environment=ENVIRONMENT)
        try:
            child.connection.send(self.rest)
            while child.connection.poll(self._left()):
                told = child.connection.recv()
                if told is None:
                    self.done = True
                    return
                if isinstance(told, _Refused):
                    raise told.kind(told.what, where=told.where, hint=told.hint)
                if isinstance(told, _Begun):
                    self._turn_to(told.result)
                else:
                    yield self._noted(told)
            yield self._noted(self._stopped(f"it did not end within {self._seconds:g} s"))
            spent = (self._due.kind, self._due.name)
            self.rest = replace(self.rest, spent=self.rest.spent | {spent})
        except (EOFError, OSError):
            yield self._noted(self._stopped(f"its process ended ({child.kill()})"))
        finally:
            child.end()

    def _left(self) -> float:
        until = self._began + self._seconds
        if not self._busy:
            until = self._heard + max(self._seconds, IMPORTING)
        return max(0.0, until - time.monotonic())

    def _turn_to(self, due: Result) -> None:
        if (due.kind, due.name) != (self._due.kind, self._due.name):
            self._began = time.monotonic()
        self._due, self._busy = due, True

    def _noted(self, result: Result) -> Result:
        self.rest = replace(self.rest, known=(*self.rest.known, result))
        self._busy, self._heard = False, time.monotonic()
        self.done = not result.rule  # where nothing had begun, nothing ever will
        return result

    def _stopped(self, why: str) -> Result:
        due = self._due if self._busy else _nothing(self.rest)
        return replace(due, state=State.BROKEN, why=why)


def _nothing(asked: Asked) -> Result:
    """What is broken if the process ends before the first rule: importing the plugins."""
    statement = "Importing the plugins and their examples comes to an end."
    see = "docs/plugins.md: What a plugin may not do to others"
    return Result(PLUGIN, asked.distribution, "", statement, see, State.BROKEN)


def _work(connection: Connection) -> None:
    """In the process."""
    asked: Asked = connection.recv()
    try:
        with contained("a plugin"):
            _check(asked, connection)
    except HarnessError as error:
        connection.send(_Refused(type(error), error.what, error.where, error.hint))
    except Exception as error:
        connection.send(_Refused(HarnessError, cause("a plugin", error), None, None))
    else:
        connection.send(None)


def _check(asked: Asked, connection: Connection) -> None:
    examples = None if asked.examples is None else examples_in(asked.examples)
    known = {(each.kind, each.name, each.rule): each for each in asked.known}
    found = checkups(asked.distribution, kind=asked.kind, name=asked.name, examples=examples)
    for checkup in found:
        component = (checkup.component.kind, checkup.component.name)
        for rule in checkup.rules:
            if (*component, rule.name) in known:
                checkup.known(known[*component, rule.name])
            elif component in asked.spent:
                connection.send(checkup.told(rule, State.NOT_CHECKED, "its time was up"))
            else:
                connection.send(_Begun(checkup.told(rule, State.NOT_CHECKED)))
                connection.send(checkup.result(rule.name))
