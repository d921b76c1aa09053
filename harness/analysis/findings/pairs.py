"""Transfer rates over ordered pairs of models, and bootstrap intervals over the models.

A bootstrap sample takes models, as sources and as targets at once, and with them all pairs between
different models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.analysis.findings.verdicts import FEWEST_MODELS, Part, beyond, too_few
from harness.analysis.statistics import expanded, resampled
from harness.analysis.transfer.matrix import Matrix

if TYPE_CHECKING:
    from harness.analysis.statistics import Floats


def rates(matrix: Matrix, models: Sequence[str]) -> Floats:
    """(source, target); NaN on the diagonal and where there is no rate."""
    import numpy as np

    table = np.full((len(models), len(models)), np.nan)
    for row, source in enumerate(models):
        for column, target in enumerate(models):
            cell = matrix.cells.get((source, target))
            if source != target and cell is not None and cell.rate.value is not None:
                table[row, column] = cell.rate.value
    return table


def present(*matrices: Matrix) -> list[str]:
    """The models that each matrix has as sources and as targets of others."""
    everywhere = set(matrices[0].models)
    for matrix in matrices:
        pairs = [pair for pair, cell in matrix.cells.items() if cell.rate.images]
        others = [(source, target) for source, target in pairs if source != target]
        everywhere &= {source for source, _ in others} & {target for _, target in others}
    return [model for model in matrices[0].models if model in everywhere]


def notes(matrices: Iterable[Matrix]) -> list[str]:
    """What the matrices lack, and what was chosen for them."""
    return [f"{matrix.attack.label}: {note}" for matrix in matrices for note in matrix.notes]


def interval_over_models(values: Floats) -> tuple[float, float] | None:
    """The bootstrap interval of the mean over pairs; ``values`` (source, target), NaN: no pair."""
    import numpy as np

    there = np.isfinite(values).astype(np.float64)
    weights = resampled(len(values))
    sums = ((weights @ np.nan_to_num(values)) * weights).sum(axis=1)
    counts = ((weights @ there) * weights).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return expanded(sums / counts, len(values))


def transfers_better(what: str, better: Matrix, worse: Matrix) -> Part:
    """Whether the mean rate of one panel is above another's, over their common pairs."""
    import numpy as np

    models = present(better, worse)
    if len(models) < FEWEST_MODELS:
        return too_few(what, len(models), of="models with transfers")
    one, other = rates(better, models), rates(worse, models)
    gaps = one - other
    common = np.isfinite(gaps)
    interval = interval_over_models(gaps)
    figure = (
        f"{one[common].mean():.3f} against {other[common].mean():.3f},"
        f" difference {gaps[common].mean():+.3f} over {common.sum()} pairs"
    )
    return Part(what, beyond(interval), figure, interval)
