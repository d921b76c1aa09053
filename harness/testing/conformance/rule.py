"""A rule: what every component of a kind keeps, and how to find out whether one does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Subject = TypeVar("Subject")
Check = Callable[[Subject], None]


class Broken(AssertionError):
    """A rule is not kept; the text is what happened instead."""


class NotChecked(Exception):
    """A rule cannot be checked on this component; the text is why."""


class State(StrEnum):
    """What became of a rule."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """What every component of a kind keeps.

    Attributes:
        name: unique within the kind.
        statement: it, in one sentence.
        see: the page and the section that say it at length.
        needs: rules without which this one says nothing: it is not checked where one is broken.
        check: raises `Broken` or `NotChecked`; whatever else it raises is the component's fault.
    """

    name: str
    statement: str
    see: str
    needs: tuple[str, ...]
    check: Check[Subject]


class Rules(Generic[Subject]):
    """The rules of a kind, in their order: functions whose name and docstring are the rule's.

    Args:
        see: where they are documented, unless a rule says otherwise.
    """

    def __init__(self, kind: str, *, see: str) -> None:
        self.kind, self._see = kind, see
        self._rules: dict[str, Rule[Subject]] = {}

    def rule(
        self, *needs: Check[Subject], see: str | None = None
    ) -> Callable[[Check[Subject]], Check[Subject]]:
        """Decorates a check; ``needs`` are others of this kind."""

        def added(check: Check[Subject]) -> Check[Subject]:
            statement = " ".join(inspect.cleandoc(check.__doc__ or "").split("\n\n")[0].split())
            names = tuple(each.__name__ for each in needs)
            name = check.__name__
            self._rules[name] = Rule(name, statement, see or self._see, names, check)
            return check

        return added

    def __iter__(self) -> Iterator[Rule[Subject]]:
        return iter(self._rules.values())

    def __getitem__(self, name: str) -> Rule[Subject]:
        return self._rules[name]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one rule on one component.

    Attributes:
        kind, name: of the component.
        why: what happened instead, or why it was not checked; empty where it is kept.
        behind: the broken rule that this one needs, if that is why it was not checked.
    """

    kind: str
    name: str
    rule: str
    statement: str
    see: str
    state: State
    why: str = ""
    behind: str = ""

    @property
    def said(self) -> str:
        """All of it, for who has to mend the component."""
        return (
            f"{self.kind} {self.name} breaks the rule {self.rule}\n"
            f"  expected: {self.statement}\n"
            f"  happened: {self.why}\n"
            f"  see: {self.see}"
        )
