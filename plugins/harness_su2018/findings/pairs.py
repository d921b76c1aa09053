"""Transfer rates over ordered pairs of models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.api import FEWEST_MODELS, Part, TransferMatrix, beyond, too_few
from harness.api.statistics import interval_over_pairs

if TYPE_CHECKING:
    from harness.api.statistics import Floats


def rates(matrix: TransferMatrix, models: Sequence[str]) -> Floats:
    """(source, target); NaN on the diagonal and where there is no rate."""
    import numpy as np

    table = np.full((len(models), len(models)), np.nan)
    for row, source in enumerate(models):
        for column, target in enumerate(models):
            cell = matrix.cells.get((source, target))
            if source != target and cell is not None and cell.rate.value is not None:
                table[row, column] = cell.rate.value
    return table


def present(*matrices: TransferMatrix) -> list[str]:
    """The models that each matrix has as sources and as targets of others."""
    everywhere = set(matrices[0].models)
    for matrix in matrices:
        pairs = [pair for pair, cell in matrix.cells.items() if cell.rate.images]
        others = [(source, target) for source, target in pairs if source != target]
        everywhere &= {source for source, _ in others} & {target for _, target in others}
    return [model for model in matrices[0].models if model in everywhere]


def notes(matrices: Iterable[TransferMatrix]) -> list[str]:
    """What the matrices lack, and what was chosen for them."""
    return [f"{matrix.attack.label}: {note}" for matrix in matrices for note in matrix.notes]


def transfers_better(what: str, better: TransferMatrix, worse: TransferMatrix) -> Part:
    """Whether the mean rate of one panel is above another's, over their common pairs."""
    import numpy as np

    models = present(better, worse)
    if len(models) < FEWEST_MODELS:
        return too_few(what, len(models), of="models with transfers")
    one, other = rates(better, models), rates(worse, models)
    gaps = one - other
    common = np.isfinite(gaps)
    interval = interval_over_pairs(gaps)
    figure = (
        f"{one[common].mean():.3f} against {other[common].mean():.3f},"
        f" difference {gaps[common].mean():+.3f} over {common.sum()} pairs"
    )
    return Part(what, beyond(interval), figure, interval)
