"""Rates in [0, 1], each with its own denominator."""

from __future__ import annotations

from harness.api import CellRows, Metric, Score, Status


def rate(count: int, images: int) -> Score:
    """``count / images``; no value without images."""
    return Score(count / images if images else None, images)


class Accuracy(Metric):
    """Top-1 over the images with a clean prediction, misclassified ones included."""

    unit = "%"

    def score(self, cell: CellRows) -> Score:
        predicted = [row for row in cell.clean if row.predicted is not None]
        return rate(sum(row.predicted == row.label for row in predicted), len(predicted))


class Success(Metric):
    """Broken over broken and robust; invalid images and errors are neither."""

    unit = "%"

    def score(self, cell: CellRows) -> Score:
        return rate(len(cell.broken), len(cell.attacked))


class ConfidentSuccess(Metric):
    """As `Success`, of the images that also reach the attack's margin kappa.

    It is the paper's success of attacks with kappa > 0 (Su et al. 2018, section 3).
    """

    unit = "%"

    def score(self, cell: CellRows) -> Score:
        return rate(sum(row.confident for row in cell.broken), len(cell.attacked))


class Success8Bit(Metric):
    """As `Success`, of the candidates rounded to 8 bits, over the images judged in that way."""

    unit = "%"

    def score(self, cell: CellRows) -> Score:
        judged = [row.rounded.status for row in cell.outcomes if row.rounded is not None]
        return rate(judged.count(Status.BROKEN), len(judged))
