"""The evidence of a suite, as findings get it: no finding can change what another one sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from harness.analysis.numerics import numerics_note
from harness.analysis.place import attacked_of
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.transfer.matrix import matrix_of
from harness.api import Goal
from harness.api.attacked import Attacked
from harness.api.evidence import Evidence, ScoreOutcomes, TrialOutcomes
from harness.api.transfers import TransferMatrix
from harness.store.read import classes, rows
from harness.store.read.cells import StoredCell


def gather(suite: SuiteResults) -> Evidence:
    """The evidence of a suite: what its runs have results of."""
    ran = [trial for trial in suite.trials() if trial.cells and not trial.attack.ad_hoc]
    places = {label: place for place, label in enumerate(suite.attacks)}
    trials = [_trial(each) for each in sorted(ran, key=lambda t: (places[t.attack.label], t.goal))]
    current = suite.definition["models"]
    names = dict.fromkeys([*current, *(name for trial in trials for name in trial.outcomes)])
    panels = [panel for panel in suite.panels() if not panel.attack.ad_hoc]
    db, dataset = suite.results.db, suite.definition["dataset"]
    return Evidence(
        models=MappingProxyType({name: suite.results.model(name) for name in names}),
        trials=tuple(trials),
        matrices=tuple(_matrix(panel) for panel in panels if panel.goal == Goal.UNTARGETED),
        targeted=tuple(_matrix(panel) for panel in panels if panel.goal != Goal.UNTARGETED),
        labels=MappingProxyType(classes.labels(db, dataset)),
        classes=tuple(classes.class_ids(db, dataset)),
        notes=tuple(
            note
            for each in ran
            for note in numerics_note(each.attack.label, each.goal, each.policy)
        ),
        scores=tuple(_scores(suite)),
    )


def _scores(suite: SuiteResults) -> Iterator[ScoreOutcomes]:
    """Of each measurement, goal and score each model's latest cell that has it."""
    found: dict[tuple[str, str, str, str], dict[str, StoredCell]] = {}
    for cell in sorted(suite.cells, key=lambda cell: cell.latest):
        if cell.task is None or cell.task.kind != "measurement" or cell.goal is None:
            continue
        for score in suite.results.scores.get(cell.id, ()):
            place = (cell.task.name, cell.task.label, score, cell.goal)
            found.setdefault(place, {})[cell.model] = cell
    for place, cells in found.items():
        values = {model: _values(suite, cell, place[2]) for model, cell in cells.items()}
        there = {model: MappingProxyType(each) for model, each in values.items() if each}
        absent = tuple(model for model in suite.models if model not in there)
        aims = {model: rows.targets(suite.results.db, cells[model].id) for model in there}
        targets = MappingProxyType({model: MappingProxyType(each) for model, each in aims.items()})
        yield ScoreOutcomes(*place, MappingProxyType(there), absent, targets)


def _values(suite: SuiteResults, cell: StoredCell, score: str) -> dict[int, float]:
    images = suite.results.images(cell.runs)
    stored = rows.values(suite.results.db, cell.id, score)
    return {image: stored[image] for image in stored.keys() & images}


def _trial(trial: Trial) -> TrialOutcomes:
    predictions = {model: trial.predictions(model) for model in trial.cells}
    every = {
        model: attacked_of(trial.outcomes(model), predictions[model], trial.attack.norm)
        for model in trial.cells
    }
    outcomes = {
        model: _unchangeable(each) for model, each in every.items() if each.attacked or each.unknown
    }
    right = {
        model: MappingProxyType({image: is_ for image, is_ in rows.items() if is_ is not None})
        for model, rows in predictions.items()
    }
    return TrialOutcomes(
        attack=replace(trial.attack, parameters=MappingProxyType(dict(trial.attack.parameters))),
        goal=trial.goal,
        outcomes=MappingProxyType(outcomes),
        right=MappingProxyType(right),
        absent=tuple(model for model in trial.models if model not in outcomes),
    )


def _unchangeable(outcomes: Attacked) -> Attacked:
    return replace(
        outcomes,
        counts=MappingProxyType(outcomes.counts),
        judged=MappingProxyType(outcomes.judged),
        robust=MappingProxyType(outcomes.robust),
    )


def _matrix(panel: Trial) -> TransferMatrix:
    matrix = matrix_of(panel)
    return replace(
        matrix,
        attack=replace(matrix.attack, parameters=MappingProxyType(dict(matrix.attack.parameters))),
        families=MappingProxyType(matrix.families),
        cells=MappingProxyType(matrix.cells),
    )
