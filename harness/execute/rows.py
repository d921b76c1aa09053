"""What the engine yields as the rows that the store takes."""

from __future__ import annotations

import numpy as np

from harness.engine.clean import CleanPrediction
from harness.engine.jobs import Judged
from harness.engine.measurements import Finished
from harness.store.records import CleanResult, KeptRow, Measured, Outcome


def clean_result_of(row: CleanPrediction) -> CleanResult:
    """A clean prediction."""
    return CleanResult(row.image_id, row.predicted, row.margin, row.least, row.second, row.error)


def outcome_of(row: Judged, kept: KeptRow | None) -> Outcome:
    """The outcome of an image that was; ``kept`` is where its candidate lies."""
    rounded = row.rounded
    return Outcome(
        image_id=row.job.image_id,
        status=row.status,
        target=row.job.target,
        predicted=row.predicted,
        margin=row.margin,
        confident=row.confident,
        linf=row.linf,
        l2=row.l2,
        l1=row.l1,
        l0=row.l0,
        forwards=row.forwards,
        backwards=row.backwards,
        numbers=row.numbers or {},
        error=row.error,
        kept=kept,
        rounded_status=rounded.status if rounded else None,
        rounded_predicted=rounded.predicted if rounded else None,
        rounded_margin=rounded.margin if rounded else None,
    )


def measured_of(row: Finished) -> Measured:
    """A measured image."""
    return Measured(
        image_id=row.job.image_id,
        status=row.status,
        target=row.job.target,
        forwards=row.forwards,
        backwards=row.backwards,
        numbers=row.numbers,
        arrays={name: np.asarray(data, "<f4").tobytes() for name, data in row.arrays.items()},
        error=row.error,
    )
