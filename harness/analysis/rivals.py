"""Attacks of a suite held against each other on one model: what a sound attack cannot lose.

An attack with several gradients an image is beaten where another way breaks the image at a distance
at which it does not. Attacks of a single gradient are left out: they overshoot by construction, so
that they lose says nothing about the model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.analysis.indicators import (
    BEATEN,
    CHANGED,
    FEWEST,
    NEARER,
    SURE,
    TRANSFERRED,
    Indicator,
)
from harness.analysis.mcnemar import mcnemar
from harness.analysis.results import Trial
from harness.api import Goal, Status
from harness.api.attacked import OutcomeRow, judged_of
from harness.store.read import transfers

TIE = 1e-6
"""Relative: float32 rounds a budget both ways."""

Judged = Mapping[int, OutcomeRow]


@dataclass(frozen=True, slots=True)
class Side:
    """One attack on one model, over the images that it has a verdict on."""

    trial: Trial
    judged: Judged

    @classmethod
    def of(cls, trial: Trial, model: str, among: Collection[int] | None = None) -> Side:
        if among is None:
            return cls(trial, trial.judged(model))
        return cls(trial, judged_of(trial.outcomes(model), among))

    @property
    def label(self) -> str:
        return self.trial.attack.label

    @property
    def norm(self) -> str:
        return self.trial.attack.norm

    @property
    def backwards(self) -> float:
        """Backward passes per image, on average."""
        return sum(row.backwards for row in self.judged.values()) / max(1, len(self.judged))

    @property
    def passes(self) -> float:
        """Passes of both kinds an image, on average."""
        rows = self.judged.values()
        return sum(row.forwards + row.backwards for row in rows) / max(1, len(self.judged))

    @property
    def iterates(self) -> bool:
        """Whether it follows gradients, and more than one."""
        return self.backwards > 1

    def loses(self, image: int, distance: float) -> bool:
        """Whether it should have broken an image that breaks at this distance, and did not."""
        row, budget = self.judged[image], self.trial.attack.budget
        own = row.distortion(self.norm)
        if budget is not None:
            return own is None and distance <= budget * (1 + TIE)
        return own is None or own > NEARER * distance


def of_rivals(trial: Trial, model: str, among: Collection[int] | None = None) -> list[Indicator]:
    """What the suite's other results on the model say about an attack's.

    Args:
        among: the only images that count; None: all.
    """
    own = Side.of(trial, model, among)
    if not own.judged or not own.iterates:
        return []
    found: list[Indicator] = []
    for other in _rivals(trial, model):
        rival = Side.of(other, model, among)
        if rival.backwards == 0:
            found += _beaten_by_black_box(model, own, rival)
        elif other.attack.name == trial.attack.name:
            found += [*_falling(model, own, rival), *_unconverged(model, own, rival)]
    return [*found, *_beaten_by_transfer(model, own)]


def _rivals(trial: Trial, model: str) -> Iterator[Trial]:
    """The other attacks of the suite in the norm and goal, with cells of the same weights."""
    mine = trial.cells[model]
    for other in trial.results.suite(trial.suite).every_trial:
        cell = other.cells.get(model)
        if (
            cell is not None
            and cell.id != mine.id
            and (other.attack.norm, other.goal) == (trial.attack.norm, trial.goal)
            and (cell.model_id, cell.dataset_id) == (mine.model_id, mine.dataset_id)
        ):
            yield other


def _shared(own: Side, rival: Side) -> list[int]:
    """The images that both have a verdict on, for the same target."""
    return [
        image
        for image, row in own.judged.items()
        if image in rival.judged and rival.judged[image].target == row.target
    ]


def _beaten_by_black_box(model: str, own: Side, rival: Side) -> Iterator[Indicator]:
    shared = _shared(own, rival)
    lost = sum(
        distance is not None and own.loses(image, distance)
        for image in shared
        for distance in [rival.judged[image].distortion(own.norm)]
    )
    if lost >= FEWEST and lost > BEATEN * len(shared):
        says = (
            f"{rival.label}, which uses no gradients, breaks {lost} of {len(shared)} images at"
            f" distances at which {own.label} does not"
        )
        evidence = {"images": lost, "compared": len(shared)}
        yield Indicator("beaten-by-black-box", model, own.label, says, evidence)


def _beaten_by_transfer(model: str, own: Side) -> Iterator[Indicator]:
    """By the stored transfers of the norm and goal from the suite's other models to this one."""
    clean = own.trial.clean.get(model)
    if clean is None:
        return
    targeted = own.trial.goal != Goal.UNTARGETED
    nearest = transfers.nearest_to(
        own.trial.results.db, own.trial.cells[model].id, clean.id, own.norm, targeted=targeted
    )
    shared = [image for image in own.judged if image in nearest]
    reached = ((image, nearest[image]) for image in shared)
    lost = sum(distance is not None and own.loses(image, distance) for image, distance in reached)
    if lost >= FEWEST and lost > TRANSFERRED * len(shared):
        says = (
            f"other models' adversarial examples break {lost} of {len(shared)} images at distances"
            f" at which {own.label} does not"
        )
        evidence = {"images": lost, "compared": len(shared)}
        yield Indicator("beaten-by-transfer", model, own.label, says, evidence)


def _falling(model: str, own: Side, rival: Side) -> Iterator[Indicator]:
    """Whether the same attack breaks more at a smaller budget than ``own`` at its larger one."""
    large, small = own.trial.attack.budget, rival.trial.attack.budget
    if large is None or small is None or small >= large or _rest(own) != _rest(rival):
        return
    shared = _shared(own, rival)
    more, less = _broken(own, shared), _broken(rival, shared)
    if _surely_fewer(own, rival, shared):
        says = (
            f"{own.label} breaks {more} of {len(shared)} images, with the smaller budget"
            f" {small:.3g} it breaks {less}"
        )
        evidence = {"broken": more, "at_smaller": less, "compared": len(shared)}
        yield Indicator("success-falls", model, own.label, says, evidence)


def _unconverged(model: str, own: Side, rival: Side) -> Iterator[Indicator]:
    """Whether the same attack with more iterations finds more, or nearer."""
    if own.trial.attack.budget != rival.trial.attack.budget or not _longer(rival, own):
        return
    shared = _shared(own, rival)
    short, long = _broken(own, shared), _broken(rival, shared)
    if _surely_fewer(own, rival, shared):
        says = f"{own.label} breaks {short} of {len(shared)} images, {rival.label} {long}"
        evidence = {"broken": short, "with_more": long, "compared": len(shared)}
        yield Indicator("unconverged", model, own.label, says, evidence)
    elif own.trial.attack.budget is None:
        both = [
            (mine, its)
            for image in shared
            if (mine := own.judged[image].distortion(own.norm)) is not None
            and (its := rival.judged[image].distortion(own.norm)) is not None
        ]
        ratio = median(its / mine if mine else 1.0 for mine, its in both) if both else 1.0
        if ratio < 1 - CHANGED:
            says = (
                f"with more iterations {own.label} ends at {ratio:.3g} of the distance (median of"
                f" {len(both)} images)"
            )
            shrunk = {"ratio": ratio, "compared": len(both)}
            yield Indicator("unconverged", model, own.label, says, shrunk)


def _surely_fewer(own: Side, rival: Side, images: Sequence[int]) -> bool:
    """Whether ``own`` breaks fewer of the images, by `CHANGED` of them and not by chance."""
    broken = [
        tuple(side.judged[image].status is Status.BROKEN for side in (own, rival))
        for image in images
    ]
    lost, won = broken.count((False, True)), broken.count((True, False))
    return lost - won > CHANGED * len(images) and mcnemar(lost, won) < SURE


def _broken(side: Side, images: Iterable[int]) -> int:
    return sum(side.judged[image].status is Status.BROKEN for image in images)


def _rest(side: Side) -> dict[str, Any]:
    """The parameters of an attack with a budget, but for the budget."""
    attack = side.trial.attack
    return {name: value for name, value in attack.parameters.items() if value != attack.budget}


def _longer(long: Side, short: Side) -> bool:
    """Whether only whole numbers differ between the attacks' parameters, and ``long`` has more.

    Those are iterations, steps, restarts and the like; and it takes more passes.
    """
    theirs, mine = long.trial.attack.parameters, short.trial.attack.parameters
    differing = [name for name in theirs.keys() | mine.keys() if theirs.get(name) != mine.get(name)]
    return (
        bool(differing)
        and all(_more(theirs.get(name), mine.get(name)) for name in differing)
        and long.passes > short.passes
    )


def _more(one: object, other: object) -> bool:
    return type(one) is type(other) is int and one > other
