"""What a leaderboard says of training regimes: each one's fit, and a model's residual from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.report.frontiers import fit_record, fit_text, residual, residual_bound
from harness.report.presentation import Cell, Field
from harness.report.values import shown

Row = tuple[Entry, Place]

MEANING = (
    "Its robustness minus that of the frontier of its own training regime at its accuracy;"
    " positive: more robust than models trained like it."
)


def regime_fields(board: Leaderboard) -> list[Field[Row]]:
    """The residual from the own regime's frontier; none where it was not asked for."""
    found = board.regimes
    if found is None:
        return []

    def own(row: Row) -> Place | None:
        return found.place(row[0].model)

    def text(row: Row) -> Cell | None:
        return shown(own(row), lambda place: residual(place, share=board.column.frontier.steps))

    return [
        Field(
            "regime_distance",
            "regime residual (95% CI)",
            MEANING,
            value=lambda row: shown(own(row), lambda place: place.placing.distance),
            text=text,
            numeric=True,
        ),
        Field(
            "regime_distance_low", value=lambda row: shown(own(row), lambda p: residual_bound(p, 0))
        ),
        Field(
            "regime_distance_high",
            value=lambda row: shown(own(row), lambda p: residual_bound(p, 1)),
        ),
        Field(
            "nearest_regime",
            "nearest regime" if len(found.columns) > 1 else None,
            "The training regime whose fit is the nearest to it.",
            value=lambda row: found.nearest.get(row[0].model),
        ),
    ]


def regime_fits(board: Leaderboard) -> list[dict[str, Any]]:
    """The fit of each regime, as JSON-like data."""
    columns = board.regimes.columns if board.regimes else {}
    return [{**fit_record(column), "training": name} for name, column in columns.items()]


def regime_notes(board: Leaderboard, incomplete: Collection[str]) -> Iterator[str]:
    """Each regime's fit, and where there is only one."""
    if board.regimes is None:
        return
    columns = board.regimes.columns
    for training, column in columns.items():
        own = incomplete & column.places.keys()
        yield f"frontier of training {training}, {len(column.places)} models: " + fit_text(
            column, own
        )
    if len(columns) == 1:
        yield (
            "all models declare the same training regime; harness findings counts the regimes that"
            " the results themselves support"
        )
    else:
        yield (
            "regime residual: from the frontier of the models of the same training, with the"
            " interval of a bootstrap over images, the frontier reselected in each replicate"
        )
