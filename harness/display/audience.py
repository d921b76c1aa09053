"""All who watch a run: the display and the observers, and the file with its summary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from harness import signals
from harness.api import Event, ModelRow, RunFinished, RunStarted
from harness.display.base import Display
from harness.display.observers import Named, Watcher
from harness.display.teller import Teller
from harness.errors import ExitCode, HarnessError
from harness.execute.ending import Ending
from harness.exhausted import exhausted
from harness.store.workers import WorkerRow

if TYPE_CHECKING:
    from harness.execute.run import Summary

PATIENCE, IN_A_HURRY = 30.0, 1.0
"""Seconds that observers together have for their end; the latter where the user waits for it."""


Summarise = Callable[[Ending], dict[str, Any]]
Write = Callable[[str], None]


class Audience(Display):
    """Passes on what a run tells to the display and to observers; a context manager around a run.

    Args:
        summarise: the run's summary as JSON-like data; called where somebody wants it.
        write: keeps the summary's text, when the block begins and when it ends; None: nobody does.
    """

    def __init__(
        self,
        display: Display,
        summarise: Summarise,
        write: Write | None = None,
    ) -> None:
        self._display, self._summarise, self._write = display, summarise, write
        self._watchers: list[Watcher] = []
        self._said: set[Watcher] = set()
        self._teller = Teller(self._tell)
        self._started: RunStarted | None = None
        self._summary: Summary | None = None
        self._exit_code = ExitCode.OK
        self._began, self._clock = "", 0.0
        self._acts = ExitStack()

    def __enter__(self) -> Self:
        self._began = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._clock = time.monotonic()
        if self._write is not None:
            # A file that says "running" later on is one of a run that was killed.
            self._keep(self._ending("running", None, None))
            self._acts.enter_context(signals.last_act(self._broken_off))
        return self

    def __exit__(self, *raised: object) -> None:
        with self._acts:
            self._end(next((each for each in raised if isinstance(each, BaseException)), None))

    def invite(self, observers: Iterable[Named]) -> None:
        """From now on they are told what happens."""
        self._watchers += map(Watcher, observers)

    def began(self, run: RunStarted) -> None:
        self._started = run
        self._display.began(run)
        self._teller.began(run)

    def start(self, *, cells: int, images: int) -> None:
        self._display.start(cells=cells, images=images)
        self._teller.start(cells=cells, images=images)

    def say(self, text: str) -> None:
        self._display.say(text)
        self._teller.say(text)

    def cell(self, label: str) -> None:
        self._display.cell(label)
        self._teller.cell(label)

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        self._display.advance(images=images, cells=cells, forwards=forwards)
        self._teller.advance(images=images, cells=cells, forwards=forwards)

    def completed(self, row: ModelRow) -> None:
        self._display.completed(row)
        self._teller.completed(row)

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        self._display.workers(rows)

    def download(self, name: str, done: int, total: int | None) -> None:
        self._display.download(name, done, total)

    def over(self, summary: Summary, exit_code: ExitCode) -> None:
        """The run came to its end, and all is said."""
        self._summary, self._exit_code = summary, exit_code

    def _tell(self, event: Event) -> None:
        for watcher in self._watchers:
            watcher.tell(event)
        self._complain()

    def _complain(self) -> None:
        for watcher in self._watchers:
            if watcher.problem is not None and watcher not in self._said:
                self._said.add(watcher)
                self._display.say(watcher.problem)

    def _end(self, error: BaseException | None) -> None:
        status, code, line = _how(error, self._exit_code)
        if self._display.wants_summary or self._watchers or self._write is not None:
            text = self._keep(self._ending(status, code, line))
            run = RunFinished(status=status, exit_code=code, document=text)
            self._display.ended(run)
            self._teller.ended(run)
        over = time.monotonic() + (IN_A_HURRY if signals.asked() else PATIENCE)
        for watcher in self._watchers:
            watcher.end()
        for watcher in self._watchers:
            watcher.wait(max(0.0, over - time.monotonic()))
        self._complain()

    def _broken_off(self) -> None:
        self._keep(self._ending("interrupted", ExitCode.INTERRUPTED, None))

    def _ending(self, status: str, code: int | None, error: str | None) -> Ending:
        return Ending(
            status=status,
            exit_code=code,
            error=error,
            started=self._started,
            summary=self._summary,
            began=self._began,
            seconds=time.monotonic() - self._clock,
        )

    def _keep(self, ending: Ending) -> str:
        text = json.dumps(self._summarise(ending), allow_nan=False, indent=1) + "\n"
        if self._write is not None:
            self._write(text)
        return text


def _how(error: BaseException | None, code: ExitCode) -> tuple[str, int, str | None]:
    """The status, the exit code and the line of a run that ended with ``error``, or without."""
    if error is None:
        return ("failed" if code else "done"), int(code), None
    if signals.asked() or isinstance(error, KeyboardInterrupt):
        return "interrupted", ExitCode.INTERRUPTED, signals.MESSAGE
    known = error if isinstance(error, HarnessError) else exhausted(error)
    if known is not None:
        return "failed", int(known.exit_code), str(known)
    return "failed", ExitCode.CELLS_FAILED, " ".join(f"{type(error).__name__}: {error}".split())
