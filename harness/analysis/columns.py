"""The metrics that leaderboards are of: attacks' distortions and measurements' scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis.attacks import SuiteAttack
from harness.analysis.bootstrap import Intervals, Sample, intervals
from harness.analysis.common import Common, common_images
from harness.analysis.doubts import doubts, of_gradients
from harness.analysis.frontier import Frontier, Point, frontier, placings, ranks
from harness.analysis.place import (
    Accuracy,
    AccuracyOf,
    Entry,
    Place,
    accuracy_of,
    attack_place,
    attacked_of,
)
from harness.analysis.reference import Metric, Reference, References
from harness.analysis.results import Predictions, SuiteResults, Trial
from harness.analysis.scores import Scored, scored
from harness.errors import ConfigError
from harness.store.read import cells, rows

SortBy = Literal["frontier", "accuracy", "distortion", "success"]
ImagesOf = Literal["all", "common"]

ROBUST_SCORES = ("psi", "log10_psi")
"""Scores, other than distances, that are larger for more robust models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a leaderboard is to show.

    Attributes:
        attack: its name, label or a glob; None: the suite's first that minimises the distortion.
        goal: None: random, where there are results for it.
        accuracy: the accuracy that the frontier is over.
        images: with ``common`` only images that every model classifies correctly count;
            accuracies stay those of all images.
        references: fits to measure residuals from, instead of the leaderboard's own.
        replicates: of the bootstrap; None: no intervals.
    """

    attack: str | None = None
    goal: str | None = None
    accuracy: AccuracyOf = "measured"
    images: ImagesOf = "all"
    sort: SortBy = "frontier"
    references: References | None = None
    replicates: int | None = None


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


def models_of(trial: Trial, choice: Choice) -> Models:
    """The models of a trial, with their accuracies and outcomes."""
    predictions = {model: trial.predictions(model) for model in trial.models}
    common = common_images(predictions) if choice.images == "common" else None
    among = common.images if common else None
    entries, places = {}, {}
    for model in trial.models:
        about, outcomes = trial.model(model), trial.outcomes(model)
        accuracy = accuracy_of(predictions[model], about.published, choice.accuracy)
        attack = attacked_of(outcomes, predictions[model], trial.attack.norm, among)
        ran = any(row is not None for row in outcomes.values())
        places[model] = attack_place(attack, accuracy, ran=ran)
        flat = _zero_gradients(trial, model, outcomes if among is None else among)
        masked = of_gradients(trial.attack.label, flat, attack.attacked)
        entries[model] = Entry(
            model=model,
            family=about.family,
            parameters=about.parameters,
            pixels=about.pixels,
            accuracy=accuracy,
            doubts=(*_doubts(trial, model, accuracy), *masked),
        )
    return Models(
        trial=trial, entries=entries, places=places, predictions=predictions, common=common
    )


def _doubts(trial: Trial, model: str, accuracy: Accuracy) -> tuple[str, ...]:
    clean, twin = trial.clean.get(model), trial.twin(model)
    if twin is None:
        return ()
    db = trial.results.db
    found = rows.trial(db, clean.id) if clean else None
    return doubts(found, accuracy, cells.model_classes(db, twin.model_id))


def _zero_gradients(trial: Trial, model: str, among: Collection[int]) -> int:
    cell = trial.cells.get(model)
    flat = rows.zero_gradients(trial.results.db, cell.id) if cell else frozenset()
    return sum(image in among for image in flat)


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """One metric: an attack's distortion, or a measurement's score.

    Attributes:
        attack: None for a score.
        frontier: the Pareto-optimal models and the fit through them.
        places: of every model.
        samples: what the bootstrap resamples of the models with an accuracy and a robustness.
        reference: the fit that residuals are measured from; None: the frontier's own.
    """

    metric: Metric
    attack: SuiteAttack | None
    frontier: Frontier
    places: Mapping[str, Place]
    samples: Mapping[str, Sample]
    reference: Reference | None = None
    intervals: Intervals | None = None

    @property
    def title(self) -> str:
        return self.metric.title

    def with_intervals(self, replicates: int, order: Sequence[str]) -> MetricColumn:
        """The column with the intervals of a bootstrap, its models taken in ``order``."""
        samples = {model: self.samples[model] for model in order if model in self.samples}
        fit = self.reference.fit if self.reference else None
        found = intervals(samples, replicates=replicates, fit=fit)
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
    """

    metric: Metric
    attack: SuiteAttack | None
    models: Models
    places: Mapping[str, Place]
    values: Mapping[str, Mapping[int, float]]

    def column(self, reference: Reference | None = None) -> MetricColumn:
        """The column with its frontier, and every model's residual and rank."""
        points, samples = {}, {}
        for model, entry in self.models.entries.items():
            robustness, unit = self.places[model].robustness, unit_of(entry, reference)
            if robustness is None or unit is None:
                continue
            point = entry.accuracy.point(model, robustness / unit)
            if point is not None:
                points[model] = point
                samples[model] = self._sample(entry, unit)
        curve = self._frontier(list(points.values()))
        placed = placings(points, curve.members, reference or curve)
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
        )

    def _sample(self, entry: Entry, unit: float) -> Sample:
        predictions, published = self.models.predictions[entry.model], entry.accuracy.shown
        return Sample(
            {image: right for image, right in predictions.items() if right is not None},
            {image: value / unit for image, value in self.values[entry.model].items()},
            entry.top1 if published == "published" else None,
        )

    def _frontier(self, points: Sequence[Point]) -> Frontier:
        """No frontier under a fixed budget: every success then lies close to the budget."""
        if self.attack is not None and self.attack.budget is not None:
            return Frontier((), None, fixed_budget(self.attack))
        return frontier(points)


def unit_of(entry: Entry, reference: Reference | None) -> float | None:
    """What a model's robustness is divided by; None where that is not known."""
    return entry.pixels if reference is not None and reference.per_pixel else 1.0


def fixed_budget(attack: SuiteAttack) -> str:
    """Why an attack with a budget has no frontier."""
    return f"{attack.label} has a fixed budget, so its distortion does not measure robustness"


def of_attack(models: Models) -> Unplaced:
    """The distortion of an attack."""
    trial = models.trial
    metric = Metric(
        title=trial.attack.label,
        name=trial.attack.name,
        norm=trial.attack.norm,
        goal=trial.goal,
        attack=True,
        common=models.common is not None,
    )
    values = {
        model: place.attack.by_image if place.attack else {}
        for model, place in models.places.items()
    }
    return Unplaced(
        metric=metric, attack=trial.attack, models=models, places=models.places, values=values
    )


def of_scores(models: Models) -> tuple[list[Unplaced], tuple[str, ...]]:
    """The scores that are larger for more robust models, one configuration per measurement.

    Also a note on the configurations that are not shown.
    """
    found = scored(models.trial)
    every = [each for scores in found.values() for each in scores]
    latest: dict[str, str] = {}
    for each in sorted(every, key=lambda each: (-each.cell.latest[0], each.cell.id)):
        latest.setdefault(each.measurement, each.label)
    others = sorted({each.label for each in every} - set(latest.values()))
    columns = []
    for name, label in latest.items():
        for score in dict.fromkeys(each.score for each in every if each.label == label):
            mine = {
                model: each
                for model, scores in found.items()
                for each in scores
                if (each.label, each.score) == (label, score)
            }
            norm = next(iter(mine.values())).norm
            if norm is not None or score in ROBUST_SCORES:
                columns.append(_of_score(f"{name} {score}", name, norm, mine, models))
    if not others:
        return columns, ()
    return columns, (
        f"of each measurement the latest configuration is shown, not {', '.join(others)}",
    )


def _of_score(
    title: str, name: str, norm: str | None, scores: Mapping[str, Scored], models: Models
) -> Unplaced:
    metric = Metric(
        title=title, name=name, norm=norm, goal=models.trial.goal, attack=False, common=False
    )
    places = {
        model: _score_place(scores.get(model), entry) for model, entry in models.entries.items()
    }
    values = {model: each.values for model, each in scores.items()}
    return Unplaced(metric=metric, attack=None, models=models, places=places, values=values)


def _score_place(score: Scored | None, entry: Entry) -> Place:
    if score is None:
        return Place("not run")
    return Place(
        status="incomplete" if score.without or entry.accuracy.missing else "complete",
        images=len(score.values),
        of=score.images,
        without=score.without,
        robustness=score.mean,
        bound=score.bound,
    )


def minimal_trials(suite: SuiteResults, goal: str | None) -> tuple[list[Trial], tuple[str, ...]]:
    """One trial per attack that minimises the distortion: its first configuration with results.

    All are for one goal, by default random. Where there is none, the first trial with the goal
    is taken for its models and images. Also a note on the configurations that are not shown.

    Raises:
        ConfigError: the suite has no attacks, or not this goal.
    """
    able = suite.with_goal(goal)
    minimal = [attack for attack in able if attack.budget is None]
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
    note = f"of each attack the first configuration is shown, not {', '.join(others)}"
    return list(chosen.values()), (note,) if others else ()


def no_metric(suite: str, goal: str) -> ConfigError:
    """The error of a suite of fixed budgets alone."""
    return ConfigError(
        f"suite {suite!r} has no metric of robustness for goal {goal}",
        hint="a joint leaderboard needs attacks that minimise the distortion, or measurements",
    )
