"""The executor of this process: one worker, which continues when its next report is asked for."""

from __future__ import annotations

from collections.abc import Generator

from harness.execute.events import Event, Watch
from harness.execute.executors.executor import Done, Report
from harness.execute.images import Images
from harness.execute.shards import Shard
from harness.execute.worker import Worker, WorkerSettings


class Inline:
    """See `Executor`.

    Args:
        images: what this process has read already.
    """

    slots = 1

    def __init__(self, watch: Watch, images: Images) -> None:
        self._watch, self._images = watch, images
        self._worker: Worker | None = None
        self._number = 0
        self._events: Generator[Event, None, None] | None = None

    @property
    def resident(self) -> tuple[str, ...]:
        return () if self._worker is None else self._worker.resident

    def start(self, settings: WorkerSettings) -> None:
        self._worker = Worker(settings, self._watch, self._images)

    def submit(self, shard: Shard) -> None:
        assert self._worker is not None
        self._number, self._events = shard.number, self._worker.work(shard)

    def next(self) -> tuple[int, Report]:
        assert self._events is not None
        return self._number, next(self._events, None) or Done()

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._events is not None:
            self._events.close()
        if self._worker is not None:
            self._worker.__exit__(*raised)
