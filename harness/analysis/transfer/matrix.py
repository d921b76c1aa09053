"""Transfer matrices: how one model's adversarial examples do on every other model.

Su et al. 2018, section 4.4. Rows are sources, columns targets; the diagonal at k = 1 is the stored
success of the attack itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.analysis.results import SuiteResults, Trial
from harness.analysis.transfer.cells import Source, sources_of, transfer_cells
from harness.analysis.transfer.panels import chosen_panel
from harness.api import Goal
from harness.api.transfers import Border, Denominator, Pairs, TransferMatrix
from harness.store.read import transfers as transferred
from harness.store.read.transfers import SAME, StoredPair

TOP_K = 5
"""The k of the top-k matching rate of targeted goals, where none is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How transfers are counted.

    Attributes:
        k: of the top-k matching rate; None: 5 for targeted goals, 1 for untargeted (always 1).
        border: around smaller images; None: the suite's. Pairs that need no border count always.
    """

    k: int | None = None
    denominator: Denominator = "paper"
    border: Border | None = None


DEFAULT = View()


def transfer_matrix(
    suite: SuiteResults,
    view: View = DEFAULT,
    *,
    attack: str | None = None,
    goal: str | None = None,
    epsilon: float | None = None,
) -> TransferMatrix:
    """The matrix of a panel; by default the suite's first.

    Args:
        attack: its label, its name or a glob; of several with transfers the first is taken.
        epsilon: takes only attacks with this declared budget.

    Raises:
        ConfigError: there are no transfers, or no such attack, budget or goal.
    """
    panel, chosen = chosen_panel(suite, attack=attack, goal=goal, epsilon=epsilon)
    return matrix_of(panel, view, chosen=chosen)


def matrices(suite: SuiteResults, view: View = DEFAULT) -> tuple[TransferMatrix, ...]:
    """The matrices of all panels of a suite."""
    return tuple(matrix_of(panel, view) for panel in suite.panels())


def matrix_of(
    panel: Trial, view: View = DEFAULT, *, chosen: tuple[str, ...] = ()
) -> TransferMatrix:
    """The matrix of one of a suite's panels; ``chosen`` notes what was chosen by default."""
    db = panel.results.db
    untargeted = panel.goal == Goal.UNTARGETED
    k = 1 if untargeted else view.k or TOP_K
    border = view.border or _border(panel)
    sources = sources_of(panel)
    stored = transferred.stored_pairs(db, [source.cell for source in sources.values()])
    pairs = {
        (pair.source_cell, pair.target_cell): pair
        for pair in stored
        if pair.border in (SAME, border)
    }
    cells = transfer_cells(
        panel, sources, pairs, k=None if untargeted else k, denominator=view.denominator
    )
    families = {model: _family(panel, model) for model in panel.models}
    models = side_by_side(families)
    notes = [
        *chosen,
        *panel.notes,
        *_source_notes(models, sources),
        *_border_notes(panel, stored, pairs, border),
        *_missing_notes(models, cells),
    ]
    return TransferMatrix(
        suite=panel.suite,
        attack=panel.attack,
        goal=panel.goal,
        k=k,
        denominator=view.denominator,
        border=border,
        models=models,
        families=families,
        cells=cells,
        notes=tuple(notes),
    )


def _border(panel: Trial) -> Border:
    transfer = panel.results.suite(panel.suite).definition.get("transfer")
    return "white" if transfer is None else transfer["border"]


def _family(panel: Trial, model: str) -> str | None:
    family = panel.model(model).family if panel.twin(model) else None
    return None if family in (None, "unknown") else family


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
    panel: Trial,
    stored: Iterable[StoredPair],
    pairs: Mapping[tuple[int, int], StoredPair],
    border: Border,
) -> Iterable[str]:
    targets = {clean.id for clean in panel.clean.values()}
    others = {
        (pair.source_cell, pair.target_cell)
        for pair in stored
        if pair.target_cell in targets and (pair.source_cell, pair.target_cell) not in pairs
    }
    if others:
        other = "grey" if border == "white" else "white"
        yield f"{len(others)} pairs are stored with a {other} border only, not with a {border} one"


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
