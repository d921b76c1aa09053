"""Everything on the page, as a pure function of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.analysis import bootstrap, findings
from harness.analysis.board import Board, leaderboard
from harness.analysis.joint import JointBoard, joint
from harness.analysis.selection import chosen_suite
from harness.analysis.transfer import matrix as transfer
from harness.analysis.transfer.panels import stored_panels
from harness.errors import ConfigError
from harness.report.html import charts, pictures, stored, tables
from harness.report.html.figure import Figure
from harness.report.html.figures import frontier, security, surface, sweeps
from harness.report.html.figures import transfer as heat
from harness.report.html.provenance import Provenance, provenance
from harness.report.html.shown import Names
from harness.store.read import cells as queries

if TYPE_CHECKING:
    from sqlite3 import Connection

    from sqlite_utils import Database

    from harness.analysis.findings import Finding


@dataclass(frozen=True, slots=True)
class Content:
    """The page's parts; those that the database has nothing for are empty.

    Attributes:
        names: cuts from chart labels what all models' names begin with.
        figures: by name; absent ones have no data.
    """

    suite: str
    dataset: str
    models: tuple[str, ...]
    names: Names
    joint: tuple[tables.BoardTable, ...]
    boards: tuple[tables.BoardTable, ...]
    figures: Mapping[str, Figure]
    findings: tuple[Finding, ...]
    gallery: pictures.Gallery
    provenance: Provenance


def content(db: Database, *, suite: str | None, images: int, reader: pictures.Reader) -> Content:
    """The page of a suite, by default the latest run's.

    Args:
        images: how many have their pictures shown.

    Raises:
        ConfigError: there are no runs, or no such suite.
    """
    sql = db.conn
    suite = chosen_suite(queries.suites(sql), suite)
    boards = _boards(sql, suite)
    joints = _joints(sql, suite, dict.fromkeys(board.selection.goal for board in boards))
    models = tuple(dict.fromkeys(model for board in boards for model in board.selection.models))
    names = Names.of(models)
    known = {entry.model: entry.family for board in boards for entry in board.entries}
    families = charts.families({model: known[model] for model in models})
    with charts.unchecked():
        found = [
            frontier.figure(joints, families, names),
            _sweeps(sql, suite, boards, families, names),
            security.figure(boards, families, names),
            heat.figure(_matrices(sql, suite), names),
            surface.figure(stored.surfaces(sql, suite), names),
        ]
    return Content(
        suite=suite,
        dataset=str(queries.definition(sql, suite)["dataset"]),
        models=models,
        names=names,
        joint=tuple(tables.joint_table(board) for board in joints if board.metrics),
        boards=tuple(tables.board_table(board) for board in boards),
        figures={each.name: each for each in found if each is not None},
        findings=findings.findings(sql, suite=suite),
        gallery=pictures.gallery(db, suite, images=images, reader=reader),
        provenance=provenance(db, suite),
    )


def _boards(db: Connection, suite: str) -> list[Board]:
    """A board for each attack and goal that has cells: smallest distortions before budgets."""
    cells = [cell for cell in queries.suite_cells(db, suite) if cell.attack is not None]
    defined = [attack["label"] for attack in queries.definition(db, suite)["attacks"]]
    order = {label: place for place, label in enumerate(defined)}
    found = dict.fromkeys((cell.label, cell.goal) for cell in cells)
    panels = sorted(found, key=lambda panel: order.get(panel[0], len(order)))
    boards = [leaderboard(db, suite=suite, attack=label, goal=goal) for label, goal in panels]
    return sorted(boards, key=lambda board: board.selection.attack.budget is not None)


def _joints(db: Connection, suite: str, goals: Mapping[str, Any]) -> list[JointBoard]:
    """The joint board of each goal; the one with most metrics first."""
    found = []
    for goal in goals:
        try:
            found.append(joint(db, suite=suite, goal=goal, replicates=bootstrap.REPLICATES))
        except ConfigError:  # a goal of fixed-budget attacks alone has no metric
            continue
    return sorted(found, key=lambda board: -len(board.metrics))


def _sweeps(
    db: Connection, suite: str, boards: Sequence[Board], families: Sequence[str], names: Names
) -> Figure | None:
    attacks = {board.selection.attack.label: board.selection.attack for board in boards}
    found = sweeps.sweeps(
        {label: (attack.name, attack.parameters) for label, attack in attacks.items()}
    )
    wanted = {label for sweep in found for label in sweep.values.values()}
    points = {
        (board.selection.attack.label, board.selection.goal): _points(db, board)
        for board in boards
        if board.selection.attack.label in wanted
    }
    return sweeps.figure(found, points, families, names)


def _points(db: Connection, board: Board) -> list[sweeps.Point]:
    points = []
    for entry in board.entries:
        cell = board.selection.cells.get(entry.model)
        if cell is not None:
            broken = stored.confident(db, cell.id, queries.images_of(db, cell.runs))
            points.append(sweeps.Point(entry.model, entry.family, broken, entry.attack.attacked))
    return points


def _matrices(db: Connection, suite: str) -> list[transfer.Matrix]:
    """Every panel, with both denominators, and for targeted goals with k 5 and 1."""
    denominators: tuple[transfer.Denominator, ...] = ("paper", "code")
    return [
        transfer.matrix_of(db, panel, selection, k=k, denominator=denominator)
        for panel, selection in stored_panels(db, suite).items()
        for k in ((1,) if panel.goal == "untargeted" else (5, 1))
        for denominator in denominators
    ]
