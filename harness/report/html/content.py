"""Everything on the page, as a pure function of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis import bootstrap
from harness.analysis.columns import Choice
from harness.analysis.evidence import gather
from harness.analysis.findings import Found, check
from harness.analysis.leaderboard import Leaderboard, joint, leaderboard
from harness.analysis.results import Results, SuiteResults
from harness.analysis.transfer.matrix import View, matrix_of
from harness.api import Goal, Reported, StoredResults
from harness.api.figure import Figure
from harness.api.results import PointsOf
from harness.api.transfers import Denominator, TransferMatrix
from harness.errors import ConfigError
from harness.plugins import installed
from harness.report.html import charts, gallery, tables
from harness.report.html.figures import frontier, security, sweeps
from harness.report.html.figures import transfer as heat
from harness.report.html.provenance import Provenance, provenance
from harness.report.html.sections import PluginSection, sections
from harness.report.html.shown import Labels, Names

if TYPE_CHECKING:
    from sqlite_utils import Database


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
    findings: tuple[Found, ...]
    sections: tuple[PluginSection, ...]
    gallery: gallery.Gallery
    provenance: Provenance


def content(
    db: Database,
    stored: StoredResults,
    *,
    suite: str | None,
    points: PointsOf = "returned",
    images: int,
    reader: gallery.Reader,
) -> Content:
    """The page of a suite, by default the latest run's.

    Args:
        stored: the same database, for the sections of plugins.
        points: whose distances the leaderboards and figures show.
        images: how many are shown with their adversarial examples.

    Raises:
        ConfigError: there are no runs, or no such suite.
    """
    results = Results(db.conn, points).suite(suite)
    boards = _boards(results)
    joints = _joints(results, dict.fromkeys(board.trial.goal for board in boards))
    models = tuple(dict.fromkeys(entry for board in boards for entry in board.trial.models))
    names = Names.of(models)
    known = {entry.model: entry.family for board in boards for entry in board.entries}
    families = charts.families({model: known[model] for model in models})
    with charts.unchecked():
        found = [
            frontier.figure(
                [*joints, *(each for each in boards if each.trial.attack.fixed)], families, names
            ),
            _sweeps(boards, families, names),
            security.figure(boards, families, names),
            heat.figure(_matrices(results), names),
        ]
        own = [each for each in found if each is not None]
        reported = Reported(stored, stored.suite(results.name), names.short)
        plugged = sections(installed(), reported, [each.name for each in own])
    own += [each.figure for each in plugged if each.figure is not None]
    return Content(
        suite=results.name,
        dataset=results.definition["dataset"],
        models=models,
        names=names,
        labels=Labels.of(list(dict.fromkeys(board.trial.attack.label for board in boards))),
        joint=tuple(tables.joint_table(board) for board in joints if board.columns),
        boards=tuple(tables.board_table(board) for board in boards),
        figures={each.name: each for each in own},
        findings=check(gather(results), installed()),
        sections=plugged,
        gallery=gallery.gallery(db, results.name, images=images, reader=reader),
        provenance=provenance(db, results),
    )


def _boards(results: SuiteResults) -> list[Leaderboard]:
    """One for each attack and goal that has cells: smallest distortions before budgets."""
    boards = [
        leaderboard(
            results,
            Choice(attack=trial.attack.label, goal=trial.goal),
            installed(),
            shown=True,
        )
        for trial in results.trials()
        if trial.cells
    ]
    return sorted(boards, key=lambda board: board.trial.attack.budget is not None)


def _joints(results: SuiteResults, goals: Iterable[str]) -> list[Leaderboard]:
    """The joint leaderboard of each goal; the one with most metrics first."""
    found = []
    for goal in goals:
        try:
            choice = Choice(goal=goal, replicates=bootstrap.REPLICATES)
            found.append(joint(results, choice, installed()))
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


def _matrices(results: SuiteResults) -> list[TransferMatrix]:
    """Every panel, with both denominators, and for targeted goals with k 5 and 1."""
    denominators: tuple[Denominator, ...] = ("paper", "code")
    return [
        matrix_of(panel, View(k=k, denominator=denominator))
        for panel in results.panels()
        for k in ((1,) if panel.goal == Goal.UNTARGETED else (5, 1))
        for denominator in denominators
    ]
