"""Attacks in order, as one: an image goes from member to member until its outcome is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.api import (
    NOT_FINITE,
    ZERO_GRADIENT,
    AttackParameters,
    CompositeAttack,
    Norm,
    Outcome,
    Passes,
    Status,
    Verdict,
)
from harness.contained import cause, checked_members
from harness.engine.classifier import PixelClassifier
from harness.engine.guard import Guard
from harness.engine.jobs import Job, Judged, failed
from harness.engine.judge import Declared, PulledBack
from harness.identity import seed_of

ROOM = 256 * 2**20
"""Bytes of the images that go through the members together; candidates need as many again."""

MEMBER, PASSES = "member", "passes."
"""Numbers of an outcome: the place of the member whose candidate it is, and the forward and
backward passes of each member that attacked the image."""

FLAGS = (ZERO_GRADIENT, NOT_FINITE)
"""Numbers that an outcome has if any member's did."""


@dataclass(frozen=True, slots=True)
class Member:
    """An attack whose candidates are judged by what another one declares."""

    attack: AttackParameters
    declared: Declared


class RunMember(Protocol):
    """`harness.engine.batches.attack_images` of some model."""

    def __call__(
        self,
        attack: Member,
        *,
        jobs: Iterator[Job],
        batch_size: int,
        on_halving: Callable[[int], None],
    ) -> Iterator[list[Judged]]: ...


def attack_with_members(
    composite: Member,
    model: PixelClassifier,
    jobs: Iterator[Job],
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
    run: RunMember,
) -> Iterator[list[Judged]]:
    """Yields verdicts as images finish; see `harness.api.CompositeAttack` and `attack_images`.

    All images that there is `ROOM` for go to one member before the next one is at work, so that
    its batches stay full.
    """
    who = "the attack"
    try:
        members = _members(composite, who, model)
    except Exception as error:
        said = cause(who, error)
        yield from ([failed(job, said)] for job in jobs)
        return
    size = batch_size

    def halved(images: int) -> None:
        nonlocal size
        size = images
        on_halving(images)

    room = max(2 * batch_size, ROOM // (4 * math.prod(model.shape)))
    while (first := next(jobs, None)) is not None:
        taken: dict[tuple[str, str], _Image] = {}
        chunk = itertools.chain([first], itertools.islice(jobs, room - 1))
        left = _taken(chunk, composite.declared.norm, taken)
        for place, member in enumerate(members):
            stay: list[_Image] = []
            todo = (image.job_for(place) for image in left)
            for rows in run(member, jobs=todo, batch_size=size, on_halving=halved):
                leaving = []
                for row in rows:
                    image = taken[row.job.cell, row.job.image_id]
                    image.take(place, row)
                    last = place == len(members) - 1 or image.spent
                    if last or (image.broken and composite.declared.budget is not None):
                        leaving.append(taken.pop((row.job.cell, row.job.image_id)).judged)
                    else:
                        stay.append(image)
                yield leaving
            left = iter(stay)


def _members(composite: Member, who: str, model: PixelClassifier) -> list[Member]:
    """The members, each with what its candidates are judged by.

    Raises:
        Exception: what the plugin raised. PluginError: these are no attacks.
    """
    attack, declared = composite.attack, composite.declared
    assert isinstance(attack, CompositeAttack)
    with Guard(who, model).around():
        members = checked_members(attack)
    if declared.budget is None or isinstance(declared, PulledBack):
        return [Member(each, declared) for each in members]
    pulled = PulledBack(declared.norm, declared.budget, declared.confidence)
    return [Member(each, pulled if each.budget is None else declared) for each in members]


def _taken(
    jobs: Iterator[Job], norm: Norm, into: dict[tuple[str, str], _Image]
) -> Iterator[_Image]:
    """The images of ``jobs``, each noted ``into`` a table when it is first asked for."""
    for job in jobs:
        into[job.cell, job.image_id] = image = _Image(job, norm)
        yield image


@dataclass(slots=True)
class _Image:
    """An image on its way, and what the members have made of it.

    Attributes:
        norm: in which candidates are near.
        kept: (member, row): the nearest candidate that breaks it, or else the one that comes
            closest to it.
        failure: (member, row) of the first member that failed.
    """

    job: Job
    norm: Norm
    kept: tuple[int, Judged] | None = None
    failure: tuple[int, Judged] | None = None
    passes: dict[int, Passes] = field(default_factory=dict)
    flags: dict[str, float] = field(default_factory=dict)

    def job_for(self, member: int) -> Job:
        """The same image with random numbers of the member's own, and what is left of a budget."""
        return replace(self.job, seed=seed_of("member", self.job.seed, member), budget=self._left)

    @property
    def spent(self) -> bool:
        """Whether no pass is left of its budget."""
        return self._left is not None and self._left <= 0

    @property
    def _left(self) -> int | None:
        """What is left of its budget of passes; None: it has none."""
        made, budget = self._total, self.job.budget
        return None if budget is None else budget - made.forwards - made.backwards

    @property
    def broken(self) -> bool:
        return self.kept is not None and self.kept[1].outcome.status is Status.BROKEN

    def take(self, member: int, row: Judged) -> None:
        """Note what ``member`` has made of it."""
        outcome = row.outcome
        self.passes[member] = outcome.passes
        self.flags |= {name: 1.0 for name in FLAGS if name in outcome.numbers}
        if outcome.status.failed:
            self.failure = self.failure or (member, row)
        elif self.kept is None or self._rank(row) > self._rank(self.kept[1]):
            self.kept = member, row

    @property
    def judged(self) -> Judged:
        """The verdict on the best candidate, and the passes of all members."""
        if self.kept is None or (self.failure is not None and not self.broken):
            assert self.failure is not None
            return self._failed(*self.failure)
        member, row = self.kept
        own = row.outcome.numbers.items()  # of a composite within, those of its own members too
        numbers = {name: each for name, each in own if not name.startswith(PASSES)}
        numbers |= {MEMBER: float(member), **self._further}
        # Of a member's best query nobody knows at which of all passes it was found.
        outcome = replace(row.outcome, passes=self._total, numbers=numbers, best_query=None)
        return replace(row, job=self.job, outcome=outcome)

    def _failed(self, member: int, row: Judged) -> Judged:
        """No member broke it, and one failed: a crash is not robustness."""
        outcome = Outcome(
            image_id=self.job.image_id,
            label=self.job.label,
            target=self.job.target,
            verdict=Verdict(Status.ERROR),
            passes=self._total,
            numbers=self._further,
            error=f"member {member}: {row.outcome.error}",
        )
        return Judged(self.job, outcome, None if row.is_attacks_fault else row.candidate)

    @property
    def _total(self) -> Passes:
        made = self.passes.values()
        return Passes(sum(each.forwards for each in made), sum(each.backwards for each in made))

    @property
    def _further(self) -> dict[str, float]:
        made = {
            f"{PASSES}{member}": float(each.forwards + each.backwards)
            for member, each in self.passes.items()
        }
        return made | self.flags

    def _rank(self, row: Judged) -> tuple[bool, float]:
        """What is larger is kept: a candidate that breaks the image, and of these the nearest."""
        outcome = row.outcome
        if outcome.status is Status.BROKEN:
            return True, -getattr(outcome.norms, self.norm)
        return False, -math.inf if outcome.verdict.margin is None else outcome.verdict.margin
