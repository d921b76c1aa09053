"""The roster: who computes a run, for those who watch it and for the database."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from harness.execute.driver.crew import Member
from harness.execute.session import Session
from harness.store.workers import WorkerRow, utc

WINDOW = 30
"""Looks that a worker's rate is over, about as many seconds."""
STORED = 2.0
"""Seconds between two writes to the database, at least."""


class Roster:
    """Tells how the workers of a run are."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.time) -> None:
        self._session, self._clock = session, clock
        self._seen: dict[int, deque[tuple[float, int]]] = {}
        self._stored = 0.0

    def look(self, members: Sequence[Member], *, last: bool = False) -> None:
        """Called every second or so; ``last``: the work is over."""
        now = self._clock()
        rows = [self._row(member, now) for member in members]
        self._session.progress.workers([row for row in rows if row.ended is None])
        if last or now - self._stored >= STORED:
            self._stored = now
            self._session.writer.write_workers(self._session.run, rows)

    def _row(self, member: Member, now: float) -> WorkerRow:
        seen = self._seen.setdefault(member.number, deque(maxlen=WINDOW))
        seen.append((now, member.images))
        since, before = seen[0]
        return WorkerRow(
            number=member.number,
            host=member.host,
            device=member.device,
            joined=utc(member.joined),
            heard=utc(member.heard),
            model=member.model,
            task=member.task,
            images=member.images,
            images_per_second=(member.images - before) / (now - since) if now > since else None,
            ended=member.ended,
        )
