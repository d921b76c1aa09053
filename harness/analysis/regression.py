"""Has a model lost accuracy or robustness since a baseline, by more than its interval?

Where the rows of both are stored the difference is paired: over the images that both have, with a
bootstrap over them. Else it is that of two independent numbers, whose interval comes from their own
ones (MOVER: Zou and Donner 2008, Statistics in Medicine 27:10; for proportions with Wilson's
intervals it is Newcombe's method 10, 1998, Statistics in Medicine 17:8).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Literal

from harness.analysis.compare import difference
from harness.analysis.standing import Kind, Number, Standing
from harness.api.statistics import Range
from harness.store.read import keyed
from harness.store.read.keyed import Image

Verdict = Literal["fell", "missing", "same", "rose", "unknown"]

FEWEST = 8
"""Images below which an interval says too little for a verdict."""

BAD: frozenset[Verdict] = frozenset({"fell", "missing"})
"""What a check does not pass with."""


@dataclass(frozen=True, slots=True)
class Change:
    """One number of a model, before and now.

    Attributes:
        attack, goal: None for the accuracy.
        before, now: of all images that each has; None where there is none.
        difference: now minus before; over the same images where ``paired``.
        interval: of the difference, 95%; None where there is none.
        images: behind the difference; None where it is not paired.
        verdict: ``fell`` and ``rose``: the interval lies on one side of 0; ``missing``: there is
            no number now; ``unknown``: it has no interval, or is over fewer than `FEWEST` images.
    """

    suite: str
    model: str
    kind: Kind
    attack: str | None
    goal: str | None
    before: float
    now: float | None
    difference: float | None
    interval: Range | None
    images: int | None
    paired: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Stores:
    """Where rows are looked for: the database, and the baseline's where that is one."""

    now: Connection
    before: Connection


def changes(
    baseline: Iterable[Standing], current: Iterable[Standing], stores: Stores
) -> list[Change]:
    """What became of each number of the baseline; of the accuracy once per suite and model."""
    now = {each.where: each for each in current}
    clean = {(each.suite, each.model): each for each in now.values() if each.accuracy}
    found: list[Change] = []
    told = set()
    for before in baseline:
        subject = (before.suite, before.model)
        if before.accuracy is not None and subject not in told:
            told.add(subject)
            found.append(_change(before, clean.get(subject), "accuracy", stores))
        if before.robustness is not None:
            found.append(_change(before, now.get(before.where), "robustness", stores))
    return found


def _change(
    before: Standing, now: Standing | None, of: Literal["accuracy", "robustness"], stores: Stores
) -> Change:
    was: Number | None = getattr(before, of)
    number: Number | None = getattr(now, of) if now else None
    assert was is not None
    if number is not None and number.kind != was.kind:
        number = None  # an attack of this label that has, or had, a budget
    gap, interval, images = None, None, None
    if now is not None and number is not None:
        pairs = _pairs(before, now, was.kind, stores)
        if pairs:
            found = difference(pairs)
            gap, interval, images = found.mean, found.mean_range, len(pairs)
        else:
            gap, interval = number.value - was.value, independent(was, number)
    attacked = of == "robustness"
    return Change(
        suite=before.suite,
        model=before.model,
        kind=was.kind,
        attack=before.attack if attacked else None,
        goal=before.goal if attacked else None,
        before=was.value,
        now=number.value if number else None,
        difference=gap,
        interval=interval,
        images=images,
        paired=images is not None,
        verdict=_verdict(number, interval, images or (number.images if number else 0)),
    )


def _verdict(number: Number | None, interval: Range | None, images: int) -> Verdict:
    if number is None:
        return "missing"
    if interval is None or images < FEWEST:
        return "unknown"
    low, high = interval
    return "fell" if high < 0 else "rose" if low > 0 else "same"


def independent(before: Number, now: Number) -> Range | None:
    """The interval of the difference of two independent numbers; a lacking one is taken as exact.

    None where both lack theirs.
    """
    if before.interval is None and now.interval is None:
        return None
    was, own = before.interval or (before.value,) * 2, now.interval or (now.value,) * 2
    gap = now.value - before.value
    low = gap - math.hypot(now.value - own[0], was[1] - before.value)
    high = gap + math.hypot(own[1] - now.value, before.value - was[0])
    return low, high


def _pairs(before: Standing, now: Standing, kind: Kind, stores: Stores) -> Sequence[float]:
    """The differences of the images that both have; none where rows are not stored."""
    if kind == "accuracy":
        keys = before.clean_key, now.clean_key
    else:
        keys = before.cell_key, now.cell_key
    if keys[0] is None or keys[1] is None:
        return []
    was, own = (
        _values(db, key, kind, now.norm)
        for db, key in ((stores.before, keys[0]), (stores.now, keys[1]))
    )
    return [float(own[image]) - float(was[image]) for image in sorted(was.keys() & own.keys())]


def _values(db: Connection, key: str, kind: Kind, norm: str) -> Mapping[Image, float]:
    if kind == "accuracy":
        return keyed.predictions(db, key)
    return keyed.robust(db, key) if kind == "robust accuracy" else keyed.distortions(db, key, norm)
