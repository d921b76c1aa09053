"""Attacks and lower bounds against distances that are known; see `harness_truth.measurement`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from harness.api import (
    NORMS,
    Conclusion,
    Evidence,
    Finding,
    OutcomeRow,
    Part,
    ScoreOutcomes,
    TrialOutcomes,
    beyond,
    conclude,
    too_few,
)
from harness.api.statistics import wilson

TRUTH = "truth"
MASKED = "Masked"
"""The family of networks whose gradients say nothing."""
ROUNDING = 1e-4
"""Relative: what float32 and the boundary's own rounding may be below the known distance."""
NEAR = 1.01
"""Times the known distance: up to here an attack has found it."""
SHARE = 0.9
"""Of the images that an attack has to find it of, or to break within its budget."""
FEWEST = 10
"""Images under which a rate decides nothing."""

Problem = tuple[str, int, str]
"""(model, image, goal): the target is the same for every attack."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """What an attack or a bound found over the known distance, by model; failures are infinite."""

    what: str
    norm: str
    by_model: Mapping[str, tuple[float, ...]]

    @property
    def all(self) -> list[float]:
        return [ratio for ratios in self.by_model.values() for ratio in ratios]

    def of(self, models: Iterable[str]) -> Ratios:
        """Those of some models."""
        wanted = set(models)
        return replace(
            self,
            by_model={model: those for model, those in self.by_model.items() if model in wanted},
        )


def distances(evidence: Evidence, norm: str) -> dict[Problem, float]:
    """The known distances above 0."""
    return {
        (model, image, each.goal): value
        for each in evidence.scores
        if (each.measurement, each.score) == (TRUTH, f"{norm}.distance")
        for model, values in each.values.items()
        for image, value in values.items()
        if value > 0
    }


def of_attack(trial: TrialOutcomes, known: Mapping[Problem, float]) -> Ratios:
    """The distance of each attacked image over the known one."""
    norm = trial.attack.norm
    values = {
        model: {image: _distance(row, norm) for image, row in outcomes.judged.items()}
        for model, outcomes in trial.outcomes.items()
    }
    return _over(known, values, trial.goal, what=trial.title, norm=norm)


def _distance(row: OutcomeRow, norm: str) -> float:
    found = row.distortion(norm)
    return math.inf if found is None else found


def of_bound(score: ScoreOutcomes, known: Mapping[Problem, float]) -> Ratios:
    """A measurement's lower bound of each image over the known distance."""
    norm = score.score.partition(".")[0]
    return _over(known, score.values, score.goal, what=score.title, norm=norm)


def _over(
    known: Mapping[Problem, float],
    values: Mapping[str, Mapping[int, float]],
    goal: str,
    *,
    what: str,
    norm: str,
) -> Ratios:
    """Values by model and image over the known distances; of models that have any."""
    found = {
        model: tuple(
            value / known[model, image, goal]
            for image, value in by_image.items()
            if (model, image, goal) in known
        )
        for model, by_image in values.items()
    }
    return Ratios(what, norm, {model: ratios for model, ratios in found.items() if ratios})


def attacks(evidence: Evidence, *, minimal: bool = False) -> Iterator[Ratios]:
    """Of each attack whose norm has known distances; ``minimal``: those without a budget alone."""
    known = {norm: distances(evidence, norm) for norm in NORMS}
    for trial in evidence.trials:
        if trial.attack.norm in known and not (minimal and trial.attack.fixed):
            found = of_attack(trial, known[trial.attack.norm])
            if found.all:
                yield found


def budgets(evidence: Evidence) -> Iterator[Ratios]:
    """Of each attack with a budget, the images that it can break: known to be within its reach."""
    for trial in evidence.trials:
        budget = trial.attack.budget
        if budget is None or trial.attack.norm not in NORMS:
            continue
        known = distances(evidence, trial.attack.norm)
        found = of_attack(
            trial, {each: value for each, value in known.items() if value * NEAR <= budget}
        )
        if found.all:
            yield found


def bounds(evidence: Evidence) -> Iterator[Ratios]:
    """Of each measurement's score whose name says that it bounds distances in a norm."""
    for score in evidence.scores:
        norm, dot, _ = score.score.partition(".")
        if score.measurement != TRUTH and dot and norm in NORMS:
            yield of_bound(score, distances(evidence, norm))


LACKING = "attacks or lower bounds with the goal of the known distances"


def _known(evidence: Evidence) -> bool:
    """Whether distances are: nobody wants to read elsewhere that they are not."""
    return any(score.measurement == TRUTH for score in evidence.scores)


class Optimality(Finding):
    title = "attacks find the smallest distance"
    claim = (
        "an attack that minimises the distortion ends within 1% of the smallest distance, and one"
        " with a budget breaks what is within it"
    )
    source = "the networks of harness.testing.truth, whose distances are known"
    rule = (
        f"for each attack and goal the interval of the share of images within {NEAR:g} times the"
        f" known distance, or of broken ones of those within reach, lies above {SHARE:g}; failures"
        " count against it, and networks with masked gradients not at all"
    )

    def check(self, evidence: Evidence) -> list[Conclusion]:
        if not _known(evidence):
            return []
        plain = {name for name, facts in evidence.models.items() if facts.family != MASKED}
        found = [
            *(
                _share(ratios, plain, _is_near, _figure)
                for ratios in attacks(evidence, minimal=True)
            ),
            *(_share(ratios, plain, math.isfinite, _broken) for ratios in budgets(evidence)),
        ]
        return found or [conclude([], lacking=LACKING)]


class AttacksAbove(Finding):
    title = "no attack is below the known distance"
    claim = "no attack finds an adversarial image nearer than the nearest one"
    source = "the networks of harness.testing.truth, whose distances are known"
    rule = f"no distance is below {1 - ROUNDING:g} times the known one (l0: below it)"

    def check(self, evidence: Evidence) -> Conclusion | list[Conclusion]:
        if not _known(evidence):
            return []
        return _never(list(attacks(evidence)), lambda ratio: ratio < 1 - ROUNDING, "below")


class BoundsBelow(Finding):
    title = "no lower bound is above the known distance"
    claim = "a lower bound of the distance is never larger than the distance"
    source = "the networks of harness.testing.truth, whose distances are known"
    rule = (
        f"of each score that bounds distances in a norm, none is above {1 + ROUNDING:g} times the"
        " known distance"
    )

    def check(self, evidence: Evidence) -> list[Conclusion]:
        if not _known(evidence):
            return []
        found = [
            _never([ratios], lambda ratio: ratio > 1 + ROUNDING, "above", of=_slug(ratios.what))
            for ratios in bounds(evidence)
            if ratios.all
        ]
        return found or [conclude([], lacking=LACKING)]


def _is_near(ratio: float) -> bool:
    return ratio <= NEAR


def _share(
    ratios: Ratios,
    plain: Iterable[str],
    hit: Callable[[float], bool],
    figure: Callable[[Sequence[float]], str],
) -> Conclusion:
    """Whether nearly all ratios of the ``plain`` models hit; the details have all models."""
    every = ratios.of(plain).all
    part = _rate(ratios.what, every, hit, figure(every))
    part = replace(part, verdict=beyond(part.interval, SHARE))
    each = [f"{model}: {figure(those)}" for model, those in ratios.by_model.items()]
    return _conclusion(part, each)


def _broken(every: Sequence[float]) -> str:
    return f"{sum(map(math.isfinite, every))} of {len(every)} within reach broken"


def _figure(every: Sequence[float]) -> str:
    """Of ratios: their median, those within 1%, and failures."""
    if not every:
        return "no images"
    near, failed = sum(ratio <= NEAR for ratio in every), sum(map(math.isinf, every))
    return f"median {median(every):.4g}, {near} of {len(every)} within 1%, {failed} failed"


def _rate(what: str, every: Sequence[float], hit: Callable[[float], bool], figure: str) -> Part:
    """The share of ratios that ``hit``, with its interval and no verdict yet."""
    if len(every) < FEWEST:
        return too_few(what, len(every), FEWEST, "images")
    return Part(what, "not enough data", figure, wilson(sum(map(hit, every)), len(every)))


def _never(
    found: Sequence[Ratios], hit: Callable[[float], bool], where: str, of: str = ""
) -> Conclusion:
    """A claim that a single ratio disproves; the figure is the rate, with its interval."""
    every = [ratio for each in found for ratio in each.all]
    count = sum(map(hit, every))
    what = found[0].what if len(found) == 1 else "all attacks"
    part = _rate(what, every, hit, f"{count} of {len(every)} {where} the known distance")
    if part.interval is not None:
        part = replace(part, verdict="does not hold" if count else "holds")
    each = [
        f"{ratios.what}, {model}: {sum(map(hit, those))} of {len(those)}"
        for ratios in found
        for model, those in ratios.by_model.items()
        if any(map(hit, those))
    ]
    return _conclusion(part, each, of)


def _conclusion(part: Part, details: Sequence[str], of: str | None = None) -> Conclusion:
    return Conclusion(
        verdict=part.verdict,
        figure=f"{part.what}: {part.figure}",
        interval=part.interval,
        details=tuple(details),
        of=_slug(part.what) if of is None else of,
        title=None if of == "" else part.what,
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
