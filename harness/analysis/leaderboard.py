"""Leaderboards: a suite's models by their robustness at their accuracy.

The joint leaderboard has a column with a frontier of its own for each metric: the distortions of
attacks that minimise them, and scores of measurements that are larger for more robust models; in a
suite of fixed budgets alone the robust accuracies. A
model's rank is that of the mean of its ranks over the metrics that have a residual for it. The
leaderboard of one attack is the same with one column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from harness.analysis.budgets import Together
from harness.analysis.columns import (
    DEFAULT,
    Choice,
    MetricColumn,
    Models,
    SortBy,
    Unplaced,
    fixed_budget,
    minimal_trials,
    models_of,
    no_metric,
)
from harness.analysis.common import Common
from harness.analysis.indicators import distinct
from harness.analysis.metrics import NONE as NO_METRICS
from harness.analysis.metrics import Metrics, metrics_of
from harness.analysis.place import Entry, Place
from harness.analysis.placing import ranks
from harness.analysis.regimes import Regimes, regimes
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.scores import Correlation, Scored, rank_correlation, scored
from harness.analysis.sources import of_attack, of_metrics, of_scores
from harness.api.columns import Leaderboard as Shown
from harness.errors import ConfigError
from harness.plugins import Catalog
from harness.store.read import rows


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The models of a suite, best first.

    Attributes:
        trial: the attack and goal of a single leaderboard; of a joint one those of its first
            metric, for suite, dataset, goal and seed.
        columns: one per metric; a single leaderboard has one.
        common: the only images whose outcomes count; None: all.
        correlations: of each score with each attack.
        scores: by model, the measurements next to a single leaderboard.
        metrics: the suite's metrics next to a single leaderboard, where asked for.
        parts: of a leaderboard of several attacks together, each norm's or each attack's models; of
            a joint one those of each attack with a fixed budget.
        regimes: the frontier of each training regime, where that was asked for.
        notes: what was chosen by default, or is not shown.
    """

    trial: Trial
    choice: Choice
    columns: tuple[MetricColumn, ...]
    entries: tuple[Entry, ...]
    common: Common | None
    correlations: tuple[Correlation, ...]
    notes: tuple[str, ...]
    scores: Mapping[str, tuple[Scored, ...]] = field(default_factory=dict)
    metrics: Metrics = NO_METRICS
    parts: tuple[Models, ...] = ()
    regimes: Regimes | None = None

    @property
    def column(self) -> MetricColumn:
        """That of a single leaderboard."""
        return self.columns[0]

    @property
    def sort(self) -> SortBy:
        """What the models are sorted by."""
        return self.choice.sort or "frontier"

    @property
    def rows(self) -> list[tuple[Entry, Place]]:
        """The models of a single leaderboard with their places."""
        return [(entry, self.column.places[entry.model]) for entry in self.entries]


def leaderboard(
    suite: SuiteResults,
    choice: Choice = DEFAULT,
    catalog: Catalog | None = None,
    *,
    shown: bool = False,
) -> Leaderboard:
    """The models of a suite under one attack and goal.

    Args:
        catalog: whose metrics are computed; None: none are.
        shown: only those metrics that have a column.

    Raises:
        ConfigError: there is no such attack or goal, or it says nothing at the budget; or the
            references have no fit for it; or it is to be sorted by distortion, under a fixed
            budget, or by robust accuracy without one.
    """
    trial = choice.trial(suite)
    fixed = trial.attack.fixed
    if choice.sort is None:
        choice = replace(choice, sort="robust" if fixed else "frontier")
    if not fixed and choice.sort == "robust":
        raise ConfigError(
            f"{trial.attack.label} has no budget, so no robust accuracy",
            where="--sort",
            hint="--at BUDGET reads it off the smallest distortions (--at 4/255)",
        )
    if fixed and choice.sort == "distortion":
        raise ConfigError(
            f"{fixed_budget(trial.attack)}, and ranks no model",
            where="--sort",
            hint="--sort success ranks by how rarely it succeeds, --sort robust by robust accuracy",
        )
    if fixed and choice.references is not None:
        raise ConfigError(
            fixed_budget(trial.attack),
            where=choice.references.where,
            hint="choose an attack that minimises the distortion",
        )
    models = models_of(trial, choice)
    unplaced = of_attack(models)
    references = choice.references
    column = unplaced.column(None if references is None else references.get(unplaced.metric))
    parts = tuple(
        models_of(part, choice, trial)
        for part in (trial.parts if isinstance(trial, Together) else ())
    )
    entries = _ranked(_entries([models, *parts], [column]), _sorted_by(choice, models, column))
    if choice.replicates is not None:
        column = column.with_intervals(choice.replicates, [entry.model for entry in entries])
    board: Shown | None = "leaderboard" if shown else None
    metrics = NO_METRICS  # plugins' metrics are of one attack's cells, as they are
    if catalog and choice.at is None and not trial.attack.members:
        metrics = metrics_of(suite, trial, catalog, models.common, board)
    scores = _scores(trial, choice, entries)
    return Leaderboard(
        trial=trial,
        choice=choice,
        columns=(column,),
        entries=tuple(_with_error(trial, entry) for entry in entries),
        common=models.common,
        correlations=() if fixed else tuple(_score_correlations(scores, column)),
        notes=(*trial.notes, *metrics.notes),
        scores=scores,
        metrics=metrics,
        parts=parts,
        regimes=_regimes(unplaced, choice, entries),
    )


def _regimes(unplaced: Unplaced, choice: Choice, entries: Sequence[Entry]) -> Regimes | None:
    if not choice.regimes:
        return None
    return regimes(unplaced, [entry.model for entry in entries], choice.replicates)


def joint(
    suite: SuiteResults, choice: Choice = DEFAULT, catalog: Catalog | None = None
) -> Leaderboard:
    """The models of a suite under all its metrics of robustness for a goal, by default random.

    Metrics that the references have no fit for are left out.

    Args:
        catalog: whose metrics of cells are computed, where they have a column; None: none are.

    Raises:
        ConfigError: there is no such goal, or no metric; or the references have no fit for any.
    """
    trials, said = minimal_trials(suite, choice.goal)
    notes, references = [*said], choice.references
    found = [models_of(trial, choice) for trial in trials]
    unplaced = [of_attack(models) for models in found if models.trial.attack.budget is None]
    if choice.images == "all":
        scores, more = of_scores(found[0])
        unplaced += scores
        notes += more
    else:
        notes.append("scores of measurements are left out, because they are over all images")
    budgeted = [models_of(each, choice) for each in _budgeted(suite, trials[0].goal)]
    if not unplaced and references is None:  # a suite of fixed budgets alone
        unplaced, found = [of_attack(models) for models in budgeted], budgeted or found
    for models in found if catalog else ():
        assert catalog is not None
        metrics = metrics_of(suite, models.trial, catalog, models.common, "joint")
        unplaced += of_metrics(models, metrics)
        notes += metrics.notes
    columns = []
    for each in unplaced:
        reference = references.find(each.metric) if references else None
        if references is None or reference is not None:
            columns.append(each.column(reference))
        else:
            notes.append(f"left out, because {references.where} has no fit: {each.metric.title}")
    if references and unplaced and not columns:
        raise references.lacking(", ".join(each.metric.exact for each in unplaced))
    if not columns:
        raise no_metric(suite.name, trials[0].goal)
    if choice.replicates is not None:
        order = trials[0].models
        columns = [each.with_intervals(choice.replicates, order) for each in columns]
    entries = _entries(found, columns)
    means = {entry.model: -entry.mean_rank for entry in entries if entry.mean_rank is not None}
    notes += [note for trial in trials for note in trial.notes]
    return Leaderboard(
        trial=trials[0],
        choice=choice,
        columns=tuple(columns),
        entries=_ranked(entries, means),
        common=found[0].common,
        correlations=tuple(_correlations(columns)),
        notes=tuple(dict.fromkeys(notes)),
        parts=tuple(budgeted),
    )


def _budgeted(suite: SuiteResults, goal: str) -> list[Trial]:
    """The suite's attacks of a fixed budget that have results for a goal."""
    return [
        trial
        for trial in suite.trials(goal=goal)
        if trial.attack.fixed and trial.cells and not trial.attack.ad_hoc
    ]


def _entries(found: Sequence[Models], columns: Sequence[MetricColumn]) -> list[Entry]:
    """The models over all columns; their indicators are those of all attacks."""
    entries = []
    for model, entry in found[0].entries.items():
        places = [column.places[model] for column in columns]
        own = [place.rank for place in places if place.rank is not None]
        entries.append(
            replace(
                entry,
                indicators=distinct(
                    sign for each in found for sign in each.entries[model].indicators
                ),
                complete=all(place.status == "complete" for place in places),
                mean_rank=fmean(own) if own else None,
                ranked=len(own),
            )
        )
    return entries


def _sorted_by(choice: Choice, models: Models, column: MetricColumn) -> dict[str, float]:
    """What a single leaderboard is sorted by, more is better; without models that have none."""

    def value(model: str, place: Place) -> float | None:
        if choice.sort == "accuracy":
            return models.entries[model].top1
        if choice.sort in ("distortion", "robust"):
            return place.robustness
        if choice.sort == "frontier":
            return place.placing.distance
        success = place.attack.success if place.attack else None
        return None if success is None else -success

    found = {model: value(model, place) for model, place in column.places.items()}
    return {model: mine for model, mine in found.items() if mine is not None}


def _ranked(entries: Iterable[Entry], values: Mapping[str, float]) -> tuple[Entry, ...]:
    """Best first; equals share a rank, and what has no value comes last without one."""
    order = ranks(values)
    ranked = [replace(entry, rank=order.get(entry.model)) for entry in entries]
    return tuple(sorted(ranked, key=lambda e: (e.rank or math.inf, -(e.top1 or 0), e.model)))


def _with_error(trial: Trial, entry: Entry) -> Entry:
    """With the error of the last failure, where the model is not complete."""
    kin = [each[entry.model].id for each in (trial.cells, trial.clean) if entry.model in each]
    if entry.complete or not kin:
        return entry
    return replace(entry, error=rows.last_error(trial.results.db, kin))


def _scores(
    trial: Trial, choice: Choice, entries: Sequence[Entry]
) -> Mapping[str, tuple[Scored, ...]]:
    """The measurements next to an attack, which are over all images; distances in its norm only."""
    if choice.images != "all":
        return {}
    found = scored(trial, norms={trial.attack.norm})
    return {
        entry.model: tuple(each for each in found[entry.model] if each.values) for entry in entries
    }


def _score_correlations(
    scores: Mapping[str, Sequence[Scored]], column: MetricColumn
) -> Iterator[Correlation]:
    """Of every score with the attack of a single leaderboard."""
    means: dict[str, dict[str, float]] = {}
    for model, mine in scores.items():
        for each in mine:
            if each.mean is not None:
                means.setdefault(each.title, {})[model] = each.mean
    for title, by_model in means.items():
        yield rank_correlation(title, column.title, by_model, _robustness(column))


def _correlations(columns: Sequence[MetricColumn]) -> Iterator[Correlation]:
    """Of every score with every attack, over the models that have both."""
    attacks = [column for column in columns if column.attack is not None]
    for score in columns:
        if score.attack is None:
            for attack in attacks:
                yield rank_correlation(
                    score.title, attack.title, _robustness(score), _robustness(attack)
                )


def _robustness(column: MetricColumn) -> dict[str, float]:
    return {
        model: place.robustness
        for model, place in column.places.items()
        if place.robustness is not None
    }
