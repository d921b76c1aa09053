"""What an attack costs, in passes through the model: the same on every machine."""

from __future__ import annotations

from harness.api import CellRows, Metric, Score


class Forwards(Metric):
    """Mean forward passes for each attacked image; the harness's own verdicts are not counted."""

    def score(self, cell: CellRows) -> Score:
        return _mean([row.passes.forwards for row in cell.attacked])


class Backwards(Metric):
    """Mean backward passes for each attacked image."""

    def score(self, cell: CellRows) -> Score:
        return _mean([row.passes.backwards for row in cell.attacked])


def _mean(counts: list[int]) -> Score:
    return Score(sum(counts) / len(counts) if counts else None, len(counts))
