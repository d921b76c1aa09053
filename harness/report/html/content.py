"""Everything on the page, as a pure function of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis import bootstrap, findings
from harness.analysis.columns import Choice
from harness.analysis.leaderboard import Leaderboard, joint, leaderboard
from harness.analysis.results import Results, SuiteResults
from harness.analysis.transfer.cells import Denominator
from harness.analysis.transfer.matrix import Matrix, View, matrix_of
from harness.api import Goal
from harness.errors import ConfigError
from harness.report.html import charts, gallery, tables
from harness.report.html.figure import Figure
from harness.report.html.figures import frontier, security, surface, sweeps
from harness.report.html.figures import transfer as heat
from harness.report.html.provenance import Provenance, provenance
from harness.report.html.shown import Labels, Names
from harness.store.read.surfaces import grids, surfaces

if TYPE_CHECKING:
    from sqlite_utils import Database

    from harness.analysis.findings import Finding


@dataclass(frozen=True, slots=True)
class Content:
    """The page's parts; those that the database has nothing for are empty.

    Attributes:
        names: cuts from chart labels what all models' names begin with.
        labels: short names of the attacks.
        figures: by name; absent ones have no data.
    """

    suite: str
    dataset: str
    models: tuple[str, ...]
    names: Names
    labels: Labels
    joint: tuple[tables.BoardTable, ...]
    boards: tuple[tables.BoardTable, ...]
    figures: Mapping[str, Figure]
    findings: tuple[Finding, ...]
    gallery: gallery.Gallery
    provenance: Provenance


def content(db: Database, *, suite: str | None, images: int, reader: gallery.Reader) -> Content:
    """The page of a suite, by default the latest run's.

    Args:
        images: how many are shown with their adversarial examples.

    Raises:
        ConfigError: there are no runs, or no such suite.
    """
    results = Results(db.conn).suite(suite)
    boards = _boards(results)
    joints = _joints(results, dict.fromkeys(board.trial.goal for board in boards))
    models = tuple(dict.fromkeys(entry for board in boards for entry in board.trial.models))
    names = Names.of(models)
    known = {entry.model: entry.family for board in boards for entry in board.entries}
    families = charts.families({model: known[model] for model in models})
    with charts.unchecked():
        found = [
            frontier.figure(joints, families, names),
            _sweeps(boards, families, names),
            security.figure(boards, families, names),
            heat.figure(_matrices(results), names),
            surface.figure(_surfaces(results), names),
        ]
    return Content(
        suite=results.name,
        dataset=results.definition["dataset"],
        models=models,
        names=names,
        labels=Labels.of(list(dict.fromkeys(board.trial.attack.label for board in boards))),
        joint=tuple(tables.joint_table(board) for board in joints if board.columns),
        boards=tuple(tables.board_table(board) for board in boards),
        figures={each.name: each for each in found if each is not None},
        findings=findings.findings(results),
        gallery=gallery.gallery(db, results.name, images=images, reader=reader),
        provenance=provenance(db, results),
    )


def _boards(results: SuiteResults) -> list[Leaderboard]:
    """One for each attack and goal that has cells: smallest distortions before budgets."""
    boards = [
        leaderboard(results, Choice(attack=trial.attack.label, goal=trial.goal))
        for trial in results.trials()
        if trial.cells
    ]
    return sorted(boards, key=lambda board: board.trial.attack.budget is not None)


def _joints(results: SuiteResults, goals: Iterable[str]) -> list[Leaderboard]:
    """The joint leaderboard of each goal; the one with most metrics first."""
    found = []
    for goal in goals:
        try:
            found.append(joint(results, Choice(goal=goal, replicates=bootstrap.REPLICATES)))
        except ConfigError:  # a goal of fixed-budget attacks alone has no metric
            continue
    return sorted(found, key=lambda board: -len(board.columns))


def _sweeps(boards: Sequence[Leaderboard], families: Sequence[str], names: Names) -> Figure | None:
    attacks = {board.trial.attack.label: board.trial.attack for board in boards}
    found = sweeps.sweeps(
        {label: (attack.name, attack.parameters) for label, attack in attacks.items()}
    )
    wanted = {label for sweep in found for label in sweep.values.values()}
    points = {
        (board.trial.attack.label, board.trial.goal): [
            sweeps.Point(entry.model, entry.family, attack.confident, attack.attacked)
            for entry, place in board.rows
            if entry.model in board.trial.cells and (attack := place.attack)
        ]
        for board in boards
        if board.trial.attack.label in wanted
    }
    return sweeps.figure(found, points, families, names)


def _surfaces(results: SuiteResults) -> list[surface.Drawn]:
    """All surfaces of the suite's models, image by image."""
    db, cells = results.results.db, {cell.id for cell in results.cells}
    mine = [each for each in surfaces(db) if each.cell_id in cells]
    mine.sort(key=lambda each: (each.image_id, each.cell_id))
    return [(each, grids(db, each)) for each in mine]


def _matrices(results: SuiteResults) -> list[Matrix]:
    """Every panel, with both denominators, and for targeted goals with k 5 and 1."""
    denominators: tuple[Denominator, ...] = ("paper", "code")
    return [
        matrix_of(panel, View(k=k, denominator=denominator))
        for panel in results.panels()
        for k in ((1,) if panel.goal == Goal.UNTARGETED else (5, 1))
        for denominator in denominators
    ]
