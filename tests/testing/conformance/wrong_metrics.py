"""A good metric, and one for each rule that breaks this rule alone."""

from __future__ import annotations

import math
import os
from statistics import fmean

from harness.api import Metric, Score


class Good(Metric):
    """The mean l2 of the broken images."""

    unit = "px"

    def score(self, cell):
        found = [row.norms.l2 for row in cell.broken]
        return Score(fmean(found) if found else None, len(found))


class Argument(Good):
    def __init__(self, norm):
        self.norm = norm


class NoUnit(Good):
    unit = None


class Moves(Good):
    def score(self, cell):
        os.chdir("/")
        return super().score(cell)


class NotANumber(Good):
    """Where nothing is broken."""

    def score(self, cell):
        found = super().score(cell)
        if found.value is None and cell.outcomes:
            return Score(math.nan, 0)
        return found


class Sorts(Good):
    def score(self, cell):
        cell.outcomes.sort(key=lambda row: row.norms.l2 or 0)
        return super().score(cell)


class Counts(Good):
    calls = 0

    def score(self, cell):
        found = super().score(cell)
        Counts.calls += bool(found.images)
        return Score(found.value and found.value + Counts.calls, found.images)


class Zero(Good):
    """Nought is no value where there is nothing."""

    def score(self, cell):
        found = super().score(cell)
        return found if cell.outcomes else Score(0.0, 0)


class Twice(Good):
    def score(self, cell):
        found = super().score(cell)
        return Score(found.value, 100 * found.images)


class First(Good):
    def score(self, cell):
        found = [row.norms.l2 for row in cell.broken]
        return Score(found[0] if found else None, len(found))


WRONG = {
    "it_can_be_made": Argument,
    "its_unit_is_text": NoUnit,
    "others_find_things_as_they_were": Moves,
    "it_is_a_number_or_nothing": NotANumber,
    "the_cell_is_not_changed": Sorts,
    "the_same_cell_has_the_same_score": Counts,
    "an_empty_cell_has_no_score": Zero,
    "its_images_are_counted": Twice,
    "the_order_of_images_is_nothing": First,
}
"""By the rule that it breaks."""
