"""Transfer matrices: how one model's adversarial images do on every other model.

Su et al. 2018, section 4.4. Rows are sources, columns targets; the diagonal at k = 1 is the stored
success of the attack itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sqlite3 import Connection

from harness.analysis.selection import BoardAttack, Selection, chosen_suite
from harness.analysis.transfer.cells import Border as Border
from harness.analysis.transfer.cells import Denominator as Denominator
from harness.analysis.transfer.cells import Rate as Rate
from harness.analysis.transfer.cells import Source, sources_of, transfer_cells
from harness.analysis.transfer.cells import TransferCell as TransferCell
from harness.analysis.transfer.panels import Panel as Panel
from harness.analysis.transfer.panels import chosen_panel, stored_panels
from harness.store.read import cells as queries
from harness.store.read import transfers as transferred
from harness.store.read.transfers import SAME, StoredPair

UNTARGETED = "untargeted"
TOP_K = 5
"""The k of the study's heat maps of targeted goals."""

Pairs = Mapping[tuple[str, str], TransferCell]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The transfer matrix of a panel.

    Attributes:
        models: rows and columns, members of a family side by side.
        families: of each model; None where unknown.
        cells: by (source, target); pairs without any transfer are absent.
        notes: what was chosen without being asked for, or is missing.
    """

    suite: str
    attack: BoardAttack
    goal: str
    k: int
    denominator: Denominator
    border: Border
    models: tuple[str, ...]
    families: Mapping[str, str | None]
    cells: Pairs
    notes: tuple[str, ...]


def transfer_matrix(
    db: Connection,
    *,
    suite: str | None = None,
    attack: str | None = None,
    goal: str | None = None,
    epsilon: float | None = None,
    k: int | None = None,
    denominator: Denominator = "paper",
    border: Border | None = None,
) -> Matrix:
    """The matrix of a panel; by default the latest run's suite, its first panel, k 1 or 5.

    Args:
        attack: its label, its name or a glob; of several with transfers the first is taken.
        epsilon: takes only attacks with this declared budget.
        k: of the top-k matching rate; None: 5 for targeted goals, 1 for untargeted (always 1).
        border: around smaller pictures; None: the suite's. Pairs that need no border count always.

    Raises:
        ConfigError: there are no transfers, or no such suite, attack, budget or goal.
    """
    suite = chosen_suite(queries.suites(db), suite)
    offered = stored_panels(db, suite)
    panel, chosen = chosen_panel(suite, tuple(offered), attack=attack, goal=goal, epsilon=epsilon)
    return matrix_of(
        db,
        panel,
        offered[panel],
        k=k,
        denominator=denominator,
        border=border,
        chosen=chosen,
    )


def matrices(
    db: Connection, suite: str, *, k: int | None = None, border: Border | None = None
) -> tuple[Matrix, ...]:
    """The matrices of all panels of a suite, with the study's denominator; ``k`` as above."""
    return tuple(
        matrix_of(db, panel, selection, k=k, border=border)
        for panel, selection in stored_panels(db, suite).items()
    )


def matrix_of(
    db: Connection,
    panel: Panel,
    selection: Selection,
    *,
    k: int | None = None,
    denominator: Denominator = "paper",
    border: Border | None = None,
    chosen: tuple[str, ...] = (),
) -> Matrix:
    """The matrix of one of `stored_panels`; ``chosen`` says what was not asked for."""
    untargeted = panel.goal == UNTARGETED
    k = 1 if untargeted else k or TOP_K
    border = border or _border(db, selection.suite)
    sources = sources_of(db, selection)
    stored = transferred.stored_pairs(db, [source.cell for source in sources.values()])
    pairs = {
        (pair.source_cell, pair.target_cell): pair
        for pair in stored
        if pair.border in (SAME, border)
    }
    cells = transfer_cells(
        db, selection, sources, pairs, k=None if untargeted else k, denominator=denominator
    )
    families = {model: _family(db, selection, model) for model in selection.models}
    models = side_by_side(families)
    notes = [
        *chosen,
        *selection.notes,
        *_source_notes(models, sources),
        *_border_notes(selection, stored, pairs, border),
        *_missing_notes(models, cells),
    ]
    return Matrix(
        suite=selection.suite,
        attack=panel.attack,
        goal=panel.goal,
        k=k,
        denominator=denominator,
        border=border,
        models=models,
        families=families,
        cells=cells,
        notes=tuple(notes),
    )


def _border(db: Connection, suite: str) -> Border:
    transfer = queries.definition(db, suite).get("transfer") or {}
    return "grey" if transfer.get("border") == "grey" else "white"


def _family(db: Connection, selection: Selection, model: str) -> str | None:
    version = selection.cells.get(model) or selection.clean.get(model)
    family = queries.model_about(db, version.model_id).get("family") if version else None
    return None if family in (None, "unknown") else str(family)


def side_by_side(families: Mapping[str, str | None]) -> tuple[str, ...]:
    """The models with their families together, families in the order of their first members."""
    grouped: dict[tuple[bool, str], list[str]] = {}
    for model, family in families.items():
        grouped.setdefault((family is None, family or model), []).append(model)
    return tuple(model for group in grouped.values() for model in group)


def _source_notes(models: Iterable[str], sources: Mapping[str, Source]) -> Iterable[str]:
    lacking = [
        f"{model} ({source.without} of {source.without + len(source.attacked)})"
        for model in models
        if (source := sources.get(model)) and source.without
    ]
    if lacking:
        yield (
            "sources with images that are invalid, failed or not attacked yet, which no rate"
            f" counts: {', '.join(lacking)}"
        )


def _border_notes(
    selection: Selection,
    stored: Iterable[StoredPair],
    pairs: Mapping[tuple[int, int], StoredPair],
    border: Border,
) -> Iterable[str]:
    targets = {clean.id for clean in selection.clean.values()}
    others = {
        (pair.source_cell, pair.target_cell)
        for pair in stored
        if pair.target_cell in targets and (pair.source_cell, pair.target_cell) not in pairs
    }
    if others:
        other = "grey" if border == "white" else "white"
        yield f"{len(others)} pairs are stored with a {other} border alone, not with a {border} one"


def _missing_notes(models: tuple[str, ...], cells: Pairs) -> Iterable[str]:
    """The pairs without transfers, and those with some images missing, by name."""
    sources = {source for source, target in cells if source != target}
    targets = {target for source, target in cells if source != target}
    silent = [model for model in models if model not in sources]
    unseen = [model for model in models if model not in targets]
    if silent:
        yield f"missing: all transfers from {', '.join(silent)}"
    if unseen:
        yield f"missing: all transfers to {', '.join(unseen)}"
    absent = [
        f"{source} → {target}"
        for source in models
        for target in models
        if source in sources and target in targets and (source, target) not in cells
    ]
    if absent:
        yield f"missing pairs ({len(absent)}): {', '.join(absent)}"
    partial = [
        f"{source} → {target} ({rate.missing} of {rate.missing + rate.images} images)"
        for source in models
        for target in models
        if (cell := cells.get((source, target))) and (rate := cell.rate).missing
    ]
    if partial:
        yield f"pairs with images without a usable prediction: {', '.join(partial)}"
