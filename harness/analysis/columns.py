"""The metrics that leaderboards are of: attacks' distortions and measurements' scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.bootstrap import Intervals, intervals
from harness.analysis.budgets import Budgets, as_attacked
from harness.analysis.common import Common, common_images
from harness.analysis.indicated import of_attack, of_model
from harness.analysis.membership import excluded
from harness.analysis.place import (
    AccuracyOf,
    Entry,
    Place,
    accuracy_of,
    attack_place,
    attacked_of,
)
from harness.analysis.placing import Placing, placings, ranks
from harness.analysis.reference import Metric, Reference, References
from harness.analysis.results import Predictions, SuiteResults, Trial
from harness.analysis.worst import trial_of
from harness.api import LeaderboardColumn
from harness.api.facts import SuiteAttack
from harness.api.frontier import Frontier, Point, frontier, step_frontier
from harness.api.paired import Sample
from harness.api.results import ImagesOf as ImagesOf
from harness.api.results import SortBy as SortBy
from harness.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a leaderboard is to show.

    Attributes:
        attack: its name, label or a glob, or ``worst:`` and several; None: the suite's first that
            minimises the distortion.
        goal: None: random, where there are results for it; ``at`` budgets untargeted.
        accuracy: the accuracy that the frontier is over.
        images: with ``common`` only images that every model classifies correctly count;
            accuracies stay those of all images.
        sort: None: the robust accuracy under a fixed budget, else the frontier residual.
        references: fits to measure residuals from, instead of the leaderboard's own.
        replicates: of the bootstrap; None: no intervals.
        at: the budgets of robust accuracies that stored distortions are read at; None: as attacked.
        regimes: whether each training regime gets a frontier of its own too.
    """

    attack: str | None = None
    goal: str | None = None
    accuracy: AccuracyOf = "measured"
    images: ImagesOf = "all"
    sort: SortBy | None = None
    references: References | None = None
    replicates: int | None = None
    at: Budgets | None = None
    regimes: bool = False

    def trial(self, suite: SuiteResults) -> Trial:
        """The attack and goal chosen, or with several budgets the attacks.

        Raises:
            ConfigError: the suite has no such attack or goal, or several match.
        """
        return trial_of(suite, self.attack, self.goal, self.at)


DEFAULT = Choice()


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a trial, before any frontier.

    Attributes:
        common: the only images whose outcomes count; None: all.
    """

    trial: Trial
    entries: Mapping[str, Entry]
    places: Mapping[str, Place]
    predictions: Mapping[str, Predictions]
    common: Common | None


def models_of(trial: Trial, choice: Choice, whole: Trial | None = None) -> Models:
    """The models of a trial, with their accuracies and outcomes.

    Args:
        whole: the trial that this one is a part of, whose images alone count; None: all count.
    """
    predictions = {model: trial.predictions(model) for model in trial.models}
    common = common_images(predictions) if choice.images == "common" else None
    among = common.images if common else None
    entries, places = {}, {}
    for model in trial.models:
        about, outcomes = trial.model(model), trial.outcomes(model)
        if whole is not None:
            shared = whole.outcomes(model).keys()
            outcomes = {image: row for image, row in outcomes.items() if image in shared}
        accuracy = accuracy_of(predictions[model], about.published, choice.accuracy)
        attack = attacked_of(outcomes, predictions[model], trial.attack.norm, among)
        ran = any(row is not None for row in outcomes.values())
        places[model] = attack_place(attack, accuracy, ran=ran)
        entries[model] = Entry(
            model=model,
            family=about.family,
            training=about.training,
            parameters=about.parameters,
            pixels=about.pixels,
            classes=_classes(trial, model),
            accuracy=accuracy,
            indicators=(
                *of_model(trial, model, accuracy),
                *(sign for each in as_attacked(trial) for sign in of_attack(each, model, among)),
            ),
        )
    return Models(
        trial=trial, entries=entries, places=places, predictions=predictions, common=common
    )


def _classes(trial: Trial, model: str) -> int | None:
    twin = trial.twin(model)
    return None if twin is None else trial.results.classes(twin.model_id)


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """One metric: an attack's distortion, or a measurement's score.

    Attributes:
        attack: None for a score.
        frontier: the Pareto-optimal models and the fit through them.
        places: of every model.
        samples: what the bootstrap resamples of the models with an accuracy and a robustness.
        reference: the fit that residuals are measured from; None: the frontier's own.
        shown: as a measurement or metric declares it; None for an attack.
    """

    metric: Metric
    attack: SuiteAttack | None
    frontier: Frontier
    places: Mapping[str, Place]
    samples: Mapping[str, Sample]
    reference: Reference | None = None
    intervals: Intervals | None = None
    shown: LeaderboardColumn | None = None

    @property
    def title(self) -> str:
        return self.metric.title

    @property
    def turned(self) -> bool:
        """Whether lower is more robust: frontier, fit and residuals are those of the negative."""
        return self.shown is not None and self.shown.higher_is_more_robust is False

    def with_intervals(self, replicates: int, order: Sequence[str]) -> MetricColumn:
        """The column with the intervals of a bootstrap, its models taken in ``order``.

        Without samples it has none.
        """
        if not self.samples:
            return self
        samples = {model: self.samples[model] for model in order if model in self.samples}
        fit = self.reference.fit if self.reference else None
        outside = {name for name, place in self.places.items() if place.placing.excluded}
        steps = self.frontier.steps
        found = intervals(samples, replicates=replicates, fit=fit, outside=outside, steps=steps)
        places = {
            model: replace(place, spread=found.spreads.get(model))
            for model, place in self.places.items()
        }
        return replace(self, places=places, intervals=found)


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A metric before its frontier: places without residuals.

    Attributes:
        values: what makes up the robustness of each model, by image.
        shown: as a measurement or metric declares it; None for an attack.
        resampled: whether ``robustness`` is the mean of ``values``, which the bootstrap resamples.
    """

    metric: Metric
    attack: SuiteAttack | None
    models: Models
    places: Mapping[str, Place]
    values: Mapping[str, Mapping[int, float]]
    shown: LeaderboardColumn | None = None
    resampled: bool = True

    @property
    def sign(self) -> int:
        """-1 where lower is more robust: frontiers are of the larger."""
        return -1 if self.shown and self.shown.higher_is_more_robust is False else 1

    def column(self, reference: Reference | None = None) -> MetricColumn:
        """The column with its frontier, and every model's residual and rank."""
        points, samples = {}, {}
        for model, entry in self.models.entries.items():
            robustness, unit = self.places[model].robustness, unit_of(entry, reference)
            if robustness is None or unit is None:
                continue
            point = entry.accuracy.point(model, self.sign * robustness / unit)
            if point is not None:
                points[model] = replace(point, excluded=self._excluded(entry))
                if self.resampled:
                    samples[model] = self._sample(entry, self.sign * unit)
        curve = self._frontier(list(points.values()))
        placed = placings(points, curve.members, reference or curve)
        if self.sign < 0:
            placed = {model: _turned(at, points[model], curve) for model, at in placed.items()}
        order = ranks(
            {model: at.distance for model, at in placed.items() if at.distance is not None}
        )
        places = {
            model: replace(place, rank=order.get(model), placing=placed[model])
            if model in placed
            else place
            for model, place in self.places.items()
        }
        return MetricColumn(
            metric=self.metric,
            attack=self.attack,
            frontier=curve,
            places=places,
            samples=samples,
            reference=reference,
            shown=self.shown,
        )

    def _excluded(self, entry: Entry) -> str | None:
        """Why the frontier does not go through a model."""
        most = max(map(len, self.values.values()))
        return excluded(entry.accuracy, entry.classes, len(self.values[entry.model]), most)

    def _sample(self, entry: Entry, unit: float) -> Sample:
        predictions, published = self.models.predictions[entry.model], entry.accuracy.shown
        return Sample(
            {image: right for image, right in predictions.items() if right is not None},
            {image: value / unit for image, value in self.values[entry.model].items()},
            entry.top1 if published == "published" else None,
        )

    def _frontier(self, points: Sequence[Point]) -> Frontier:
        """Of robust accuracies under a fixed budget: distortions then lie close to the budget."""
        if self.attack is not None and self.attack.fixed:
            return step_frontier(points)
        return frontier(points)


def _turned(placing: Placing, point: Point, curve: Frontier) -> Placing:
    """A placing among negatives: that the fit is below 0 says nothing there."""
    if placing.fitted is None or not curve.members:
        return placing
    low, high = curve.members[0].accuracy, curve.members[-1].accuracy
    return replace(placing, extrapolated=not low <= point.accuracy <= high)


def unit_of(entry: Entry, reference: Reference | None) -> float | None:
    """What a model's robustness is divided by; None where that is not known."""
    return entry.pixels if reference is not None and reference.per_pixel else 1.0


def fixed_budget(attack: SuiteAttack) -> str:
    """Why an attack with a budget has no frontier of distortions."""
    return f"{attack.label} has a fixed budget, so its distortion does not measure robustness"


def minimal_trials(suite: SuiteResults, goal: str | None) -> tuple[list[Trial], tuple[str, ...]]:
    """One trial per attack that minimises the distortion: its first configuration with results.

    All are for one goal, by default random. Where there is none, the first trial with the goal
    is taken for its models and images. Also notes on what is not shown.

    Raises:
        ConfigError: the suite has no attacks, or not this goal.
    """
    able = suite.with_goal(goal)
    every = [attack for attack in able if attack.budget is None]
    minimal = [attack for attack in every if not attack.ad_hoc]
    if not minimal:
        return [suite.trial(able[0].label, goal)], ()
    ran = [suite.trial(attack.label).goal for attack in minimal] if goal is None else []
    wanted = goal or ("random" if "random" in ran else ran[0])
    chosen: dict[str, Trial] = {}
    others: list[str] = []
    for attack in minimal:
        if wanted not in attack.goals:
            continue
        trial, earlier = suite.trial(attack.label, wanted), chosen.get(attack.name)
        if earlier is None or (trial.cells and not earlier.cells):
            chosen[attack.name] = trial
            others += [earlier.attack.label] if earlier else []
        else:
            others.append(attack.label)
    notes = []
    if others:
        notes.append(f"of each attack the first configuration is shown, not {', '.join(others)}")
    if unnamed := [attack.label for attack in every if attack.ad_hoc]:
        notes.append(f"not metrics of the suite, so left out: {', '.join(unnamed)}")
    return list(chosen.values()), tuple(notes)


def no_metric(suite: str, goal: str) -> ConfigError:
    """The error of a suite of fixed budgets alone."""
    return ConfigError(
        f"suite {suite!r} has no metric of robustness for goal {goal}",
        hint="a joint leaderboard needs attacks that minimise the distortion, or measurements",
    )
