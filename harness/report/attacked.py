"""The outcomes of attacked images as columns, for models and for attacks alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from harness.api.attacked import Attacked
from harness.report.presentation import Cell, Field
from harness.report.values import ends, finite, marked, number, percent
from harness.report.values import shown as optional

Row = TypeVar("Row")


def success_fields(of: Callable[[Row], Attacked], mark: str = "") -> list[Field[Row]]:
    """The success rate and its bounds; ``mark`` behind a rate that is too low for a mean."""

    def text(row: Row) -> Cell:
        attacked = of(row)
        rate = marked(optional(attacked.success, percent), attacked.few_successes, mark)
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


def robust_accuracy_fields(
    of: Callable[[Row], Attacked], fixed: Callable[[Row], bool], *, shown: bool
) -> list[Field[Row]]:
    """The robust accuracy, for people with its interval, and its bounds.

    Args:
        fixed: whether a row has one: that of an attack with a budget.
        shown: whether people see the column.
    """

    def text(row: Row) -> Cell:
        attacked, share = of(row), value(row)
        return Cell(optional(share, percent), share, ends(attacked.robust_accuracy_interval))

    def value(row: Row) -> float | None:
        return of(row).robust_accuracy if fixed(row) else None

    def bound(row: Row, end: int) -> float | None:
        bounds = of(row).robust_accuracy_bounds if fixed(row) else None
        return bounds[end] if bounds else None

    return [
        Field(
            "robust_accuracy",
            "robust accuracy (95% CI)" if shown else None,
            "Share of all images that are classified correctly and not broken, with its 95% Wilson"
            " interval.",
            value=value,
            text=text,
            numeric=True,
        ),
        Field("robust_accuracy_at_least", value=lambda row: bound(row, 0)),
        Field("robust_accuracy_at_most", value=lambda row: bound(row, 1)),
    ]


def part_fields(
    label: str, of: Callable[[Row], Attacked], *, shown: bool = True
) -> list[Field[Row]]:
    """The robust accuracy under one of several attacks, or norms, of a leaderboard.

    Args:
        shown: whether people see it.
    """

    def text(row: Row) -> Cell:
        share = of(row).robust_accuracy
        return Cell(optional(share, percent), share)

    def end(row: Row, which: int) -> float | None:
        interval = of(row).robust_accuracy_interval
        return interval[which] if interval else None

    key = f"robust_accuracy {label}"
    return [
        Field(
            key,
            f"robust accuracy, {label}" if shown else None,
            f"Share of all images that are robust under {label} alone.",
            value=lambda row: of(row).robust_accuracy,
            text=text,
            numeric=True,
        ),
        Field(f"{key} low", value=lambda row: end(row, 0)),
        Field(f"{key} high", value=lambda row: end(row, 1)),
    ]


def median_fields(of: Callable[[Row], Attacked], *, shown: bool = True) -> list[Field[Row]]:
    """The median with failures as infinite. JSON has no infinity: a flag next to it says so.

    Args:
        shown: whether people see it.
    """

    def text(row: Row) -> Cell:
        median = of(row).median_all
        return Cell(optional(median, number), median)

    return [
        Field(
            "distortion_median_all",
            "median (failures = ∞)" if shown else None,
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
