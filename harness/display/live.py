"""Live progress on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.api import ModelRow, Progressed
from harness.display.base import Display
from harness.display.meter import Clock, Meter
from harness.display.text import counts, duration, left, model_row, speed, transfer, worker
from harness.store.workers import WorkerRow
from harness.terminal import one_line

WORKERS = 8
"""Workers that have a line of their own, at most."""


class LiveDisplay(Display):
    """Lines that stay at the bottom: bar and cell at work; counts, rates, time left; workers."""

    def __init__(self, console: Console | None = None, clock: Clock = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._meter = Meter(clock)
        self._label = ""
        self._workers: list[str] = []
        # The live thread reads this; it is replaced, never changed.
        self._progress = Progressed()
        self._live: Live | None = None
        self._download: Live | None = None
        self._transfer: tuple[str, int, int | None] = ("", 0, None)

    def download(self, name: str, done: int, total: int | None) -> None:
        # The live thread reads this; it is replaced, never changed.
        self._transfer = (one_line(name), done, total)
        if self._download is None:
            self._download = Live(
                get_renderable=self._transfer_view,
                console=self._console,
                refresh_per_second=4,
                transient=True,
            )
            self._download.start()
        if done == total:
            self._console.print(Text(f"downloaded {self._transfer[0]}: {transfer(done, total)}"))

    def start(self, *, cells: int, images: int) -> None:
        self.finish()  # of an earlier part of the run
        self._meter.start(cells=cells, images=images)
        self._progress = self._meter.read()
        self._live = Live(get_renderable=self._view, console=self._console, refresh_per_second=4)
        self._live.start()

    def say(self, text: str) -> None:
        self._console.print(Text(one_line(text)), soft_wrap=True)
        self._redraw()

    def completed(self, row: ModelRow) -> None:
        self._console.print(Text(model_row(row)), soft_wrap=True)
        self._redraw()

    def cell(self, label: str) -> None:
        self._label = one_line(label)
        self._redraw()

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        self._meter.advance(images=images, cells=cells, forwards=forwards)
        self._progress = self._meter.read()

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        now = datetime.now(UTC)
        lines = [worker(row, now) for row in rows[:WORKERS]] if len(rows) > 1 else []
        more = len(rows) - len(lines) if lines else 0
        self._workers = [*lines, *([f"and {more} more workers"] if more else [])]
        self._redraw()

    def finish(self) -> None:
        self._end_downloads()
        if self._live is not None:
            live, self._live = self._live, None
            self._progress = self._meter.read()
            self._workers = []
            self._label = f"in {duration(self._progress.elapsed)}"
            live.stop()

    def _end_downloads(self) -> None:
        if self._download is not None:
            live, self._download = self._download, None
            live.stop()

    def _redraw(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _view(self) -> RenderableType:
        now = self._progress
        top = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(now.images, 1), completed=now.images_done, width=24)
        top.add_row(bar, _cut(self._label))
        bottom = f"{counts(now)}, {speed(now)}, {left(now)} left"
        return Group(top, _cut(bottom), *map(_cut, self._workers))

    def _transfer_view(self) -> RenderableType:
        name, done, total = self._transfer
        line = Table.grid(padding=(0, 1))
        # Without a total the bar only pulses.
        bar = ProgressBar(total=total, completed=done, width=24, pulse=total is None)
        line.add_row(bar, _cut(f"{name}: {transfer(done, total)}"))
        return line


def _cut(text: str) -> Text:
    """One line, whatever the terminal's width; not markup."""
    return Text(text, no_wrap=True, overflow="ellipsis")
