"""One attack of another library, as a checked-in table describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.api import Access, Goal, Norm

UNTARGETED = (Goal.UNTARGETED,)
TARGETED = tuple(goal for goal in Goal if goal.targeted)


@dataclass(frozen=True, slots=True)
class Entry:
    """An attack by the name that it is registered under, without the library's prefix.

    Attributes:
        call: the class or function, ``module:name``.
        norm: what the attack bounds or minimises; l2 where it knows no norm.
        budget: the field that bounds `norm`; None: the attack minimises it, or knows no bound.
        fixed: arguments that the name stands for; they are no parameters.
        required: parameters that need a value, with their types, though the library has none or
            one that does not work.
        stochastic: whether the library's code draws random numbers.
    """

    name: str
    call: str
    norm: Norm
    goals: tuple[Goal, ...] = tuple(Goal)
    access: Access = Access.WHITE_BOX
    budget: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    required: Mapping[str, str] = field(default_factory=dict)
    stochastic: bool = True

    @property
    def summary(self) -> str:
        """One line, from what is known of it."""
        kind = "fixed budget" if self.budget else "no budget"
        goals = {UNTARGETED: ", untargeted only", TARGETED: ", targeted only"}
        return f"{self.call.partition(':')[2]}: {self.norm}, {kind}{goals.get(self.goals, '')}"


@dataclass(frozen=True, slots=True)
class Table:
    """A library's attacks, as ``version`` of it had them."""

    version: str
    entries: tuple[Entry, ...]

    def named(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)


_LEFT_OUT = Entry("", "", Norm.L2)
"""What a table leaves out is as here."""


def read(path: Path) -> Table:
    """The table in a JSON file."""
    found = json.loads(path.read_text("utf-8"))
    return Table(found["version"], tuple(_entry(each) for each in found["attacks"]))


def write(path: Path, table: Table) -> None:
    """One line for each attack, so that a difference shows what has changed."""
    rows = ",\n  ".join(json.dumps(_plain(entry), ensure_ascii=False) for entry in table.entries)
    path.write_text(
        f'{{"version": {json.dumps(table.version)}, "attacks": [\n  {rows}\n]}}\n', "utf-8"
    )


def _entry(given: Mapping[str, Any]) -> Entry:
    known = dict(given)
    known["norm"] = Norm(known["norm"])
    if "goals" in known:
        known["goals"] = tuple(map(Goal, known["goals"]))
    if "access" in known:
        known["access"] = Access(known["access"])
    return Entry(**known)


def _plain(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in Entry.__slots__:
        value, usual = getattr(entry, name), getattr(_LEFT_OUT, name)
        if name in ("name", "call", "norm") or value != usual:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """By name, as a table has them."""
    return tuple(sorted(entries, key=lambda entry: entry.name.lower()))
