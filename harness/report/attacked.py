"""The outcomes of attacked images as columns, for models and for attacks alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from harness.analysis.place import Attacked
from harness.report.presentation import Cell, Field
from harness.report.values import finite, marked, number, percent, shown

Row = TypeVar("Row")


def success_fields(of: Callable[[Row], Attacked], mark: str = "") -> list[Field[Row]]:
    """The success rate and its bounds; ``mark`` behind a rate that is too low for a mean."""

    def text(row: Row) -> Cell:
        attacked = of(row)
        rate = marked(shown(attacked.success, percent), attacked.few_successes, mark)
        return Cell(rate, attacked.success)

    def bound(row: Row, end: int) -> float | None:
        bounds = of(row).success_bounds
        return bounds[end] if bounds else None

    return [
        Field(
            "success",
            "success rate",
            "Share of the attacked images that the attack broke.",
            value=lambda row: of(row).success,
            text=text,
            numeric=True,
        ),
        Field("success_at_least", value=lambda row: bound(row, 0)),
        Field("success_at_most", value=lambda row: bound(row, 1)),
    ]


def median_fields(of: Callable[[Row], Attacked]) -> list[Field[Row]]:
    """The median with failures as infinite. JSON has no infinity: a flag next to it says so."""

    def text(row: Row) -> Cell:
        median = of(row).median_all
        return Cell(shown(median, number), median)

    return [
        Field(
            "distortion_median_all",
            "median (failures = ∞)",
            "Median distortion of the attacked images, failures counted as infinite.",
            value=lambda row: finite(of(row).median_all),
            text=text,
            numeric=True,
        ),
        Field("distortion_median_all_infinite", value=lambda row: of(row).median_all == math.inf),
    ]


def images_field(of: Callable[[Row], Attacked]) -> Field[Row]:
    """Attacked images of all; programs get the latter."""

    def text(row: Row) -> Cell:
        attacked = of(row)
        return Cell(f"{attacked.attacked}/{attacked.images}", attacked.attacked)

    return Field(
        "images",
        "images",
        "Attacked images, of all images of the cell.",
        value=lambda row: of(row).images,
        text=text,
        numeric=True,
    )
