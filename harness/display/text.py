"""Words for progress; plain ASCII, so that every log shows them."""

from __future__ import annotations

from datetime import datetime

from harness.api import ModelRow, Progressed
from harness.store.workers import WorkerRow
from harness.terminal import one_line

SILENT = 5.0
"""Seconds without a word from a worker that are worth mentioning."""


def duration(seconds: float) -> str:
    """``0:07``, ``12:34`` or ``1:02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def counts(progress: Progressed) -> str:
    """Cells and images, done and in all; transfers have no cells."""
    cells = f"cells {progress.cells_done}/{progress.cells}, " if progress.cells else ""
    return f"{cells}images {progress.images_done}/{progress.images}"


def to_do(cells: int, images: int) -> str:
    """What lies ahead."""
    parts = [f"{cells} cells"] if cells or not images else []
    return ", ".join([*parts, f"{images} images pending"])


def speed(progress: Progressed) -> str:
    """Images and forward passes per second; dashes before anything is known."""
    return (
        f"{_rate(progress.images_per_second)} images/s, "
        f"{_rate(progress.forwards_per_second)} forwards/s"
    )


def left(progress: Progressed) -> str:
    """The estimate of the time that is left."""
    return "?" if progress.remaining is None else duration(progress.remaining)


def model_row(row: ModelRow) -> str:
    """A model's leaderboard row, its columns below those of other models."""
    columns = [
        f"{one_line(row.model):28}",
        f"top-1 {_percent(row.top1)}",
        *(
            []
            if row.robust_accuracy is None
            else [f"robust accuracy {_percent(row.robust_accuracy)}"]
        ),
        f"success {_percent(row.success)}",
        *([f"median {row.norm} {_number(row.median)}"] if row.norm else []),
        f"{row.attacked}/{row.images} images",
        one_line(f"{row.attack} {row.goal}"),
        *([] if row.complete else ["incomplete"]),
    ]
    return "  ".join(columns)


def worker(row: WorkerRow, now: datetime) -> str:
    """A worker: where it is, what it is at, how fast, and for how long it has said nothing."""
    at = "waits" if row.model is None else one_line(f"{row.model} {row.task}")
    silent = row.silent(now)
    return ", ".join(
        [
            f"{row.number} {one_line(row.host)} {one_line(row.device)}: {at}",
            f"{_rate(row.images_per_second)} images/s",
            *([f"silent for {silent:.0f} s"] if silent >= SILENT else []),
        ]
    )


def transfer(done: int, total: int | None) -> str:
    """``12.3 of 45.6 MB``, or as much of that as is known."""
    known = "" if total is None else f" of {total / 1e6:.1f}"
    return f"{done / 1e6:.1f}{known} MB"


def _rate(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _percent(share: float | None) -> str:
    return f"{'-' if share is None else f'{share:.1%}':>6}"


def _number(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:#.3g}':>6}"
