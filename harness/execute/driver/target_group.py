"""The task group of a target: adversarial examples of all models, and clean images that are read as
others read them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.api import Call
from harness.execute.driver.attempts import Attempts
from harness.execute.driver.costs import CHUNK
from harness.execute.driver.scheduler import Item, Lease, Queue
from harness.execute.driver.task_group import TaskGroup
from harness.execute.events import CleanSeen, Event, SetSeen
from harness.execute.journal import DEATHS
from harness.execute.pending import AdaptedClean, Forwards
from harness.execute.session import Session
from harness.execute.shards import Shard, Shown, ShownClean, ShownSet, TransferTask
from harness.overdue import MARK
from harness.planning import Adaptation, Cell, Pair
from harness.store.read.candidates import Candidate


@dataclass(eq=False, slots=True)
class Chunk:
    """Some images of a part of the transfers: an item.

    Attributes:
        left: those whose predictions are not stored yet, by the images' numbers in the database.
        deaths: workers that were lost to it, and to nothing else.
    """

    of: Forwards
    left: dict[int, Candidate]
    deaths: int = 0


_Rows = list[tuple[Chunk, Candidate]]


class TargetGroup(TaskGroup):
    """Has a target predict what was made for other models.

    Args:
        target: its clean cell.
        on_seen: called with a part of the transfers, and the number of its predictions stored.
        on_end: called when no work is left and no worker is at it.

    Attributes:
        is_complete: whether all that there is to show has been opened.
    """

    def __init__(
        self,
        session: Session,
        target: Cell,
        queue: Queue,
        *,
        on_seen: Callable[[Forwards, int], None],
        on_end: Callable[[TargetGroup], None],
    ) -> None:
        super().__init__(session, target, queue)
        self._on_seen, self._on_end = on_seen, on_end
        self._leased: dict[int, tuple[list[_Rows], list[_Rows]]] = {}
        """By worker: the sets and the clean images that its shard shows, as events count them."""
        self._numbers: dict[str, int] = {}
        self.is_complete = False

    @property
    def label(self) -> str:
        return f"{self.model}: transfers"

    def open(self, of: Forwards, rows: Sequence[Candidate]) -> None:
        """These can be shown now."""
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        self.queue.open(Chunk(of, {row.image: row for row in chunk}) for chunk in chunks)

    def close_if_over(self) -> None:
        if self.is_complete:
            super().close_if_over()

    def give_up(self, error: str) -> None:
        session = self._session
        attempts = Attempts(
            session,
            [self._clean_cell],
            device=str(session.settings.device),
            batch_size=session.settings.batch_size or 0,
        )
        attempts.fail(error)
        attempts.finish()
        self.fail(error)

    def fail(self, why: str) -> None:
        self.failed = True
        self.queue.clear()
        self._session.progress.say(f"{self.label}: {why}")

    def suspects(self, call: Call | None) -> Collection[Item] | None:
        return None

    def blame(self, item: Item, why: str) -> Sequence[Item]:
        assert isinstance(item, Chunk)
        rows = list(item.left.items())
        if len(rows) > 1:
            middle = len(rows) // 2
            return [Chunk(item.of, dict(half)) for half in (rows[:middle], rows[middle:])]
        item.deaths += DEATHS if MARK in why else 1
        if item.deaths < DEATHS:
            return [item]
        self.failed = True
        ((_, candidate),) = rows
        self._session.progress.say(f"{self.label}: image {candidate.key.name} is left out: {why}")
        self._write([(item, candidate)], [None], [None])
        return ()

    def _shard(self, lease: Lease) -> Shard:
        sets, clean = _grouped(lease.items)
        self._leased[lease.worker] = list(sets.values()), list(clean.values())
        return Shard(
            model=self.model,
            label=self._clean_cell.label,
            speaker=f"model {self.model}",
            task=TransferTask(
                sets=tuple(_shown(*key, rows) for key, rows in sets.items()),
                clean=tuple(_shown_clean(how, rows) for how, rows in clean.items()),
            ),
            trial=self._trial,
            next_model=lease.then,
        )

    def _begin(self, lease: Lease, *, device: str, batch_size: int) -> Attempts:
        self._session.progress.cell(self.label)
        return Attempts(self._session, [self._clean_cell], device=device, batch_size=batch_size)

    def _store(self, lease: Lease, event: Event, attempts: Attempts) -> Sequence[Item]:
        sets, clean = self._leased[lease.worker]
        match event:
            case SetSeen():
                rows = [sets[event.number][row] for row in event.rows]
                return self._write(rows, event.predicted, event.ranks)
            case CleanSeen():
                rows = [clean[event.number][row] for row in event.rows]
                return self._write(rows, event.predicted, [None] * len(rows))
        return ()

    def _close(self) -> None:
        self._finish()
        self._on_end(self)

    def _write(
        self, rows: _Rows, predicted: Sequence[int | None], ranks: Sequence[int | None]
    ) -> Sequence[Item]:
        """Store predictions, all of sets or all of clean images of one size."""
        if not rows:
            return ()
        of, writer = rows[0][0].of, self._session.writer.transfers
        found = list(zip(rows, predicted, ranks, strict=True))
        if isinstance(of, Pair):
            writer.write(
                [
                    (self._number(chunk.of), row.image, seen, rank)
                    for (chunk, row), seen, rank in found
                ]
            )
        else:
            clean = [(row.image, seen) for (_, row), seen, _ in found]
            writer.write_adapted(self._clean_cell.key, of.adaptation, clean)
        for chunk, row in rows:
            del chunk.left[row.image]
            self._on_seen(chunk.of, 1)
        self.computed += len(rows)
        return [chunk for chunk in dict.fromkeys(chunk for chunk, _ in rows) if not chunk.left]

    def _number(self, of: Forwards) -> int:
        """The pair's number in the database."""
        assert isinstance(of, Pair)
        key = of.source.key
        if key not in self._numbers:
            (self._numbers[key],) = self._session.writer.transfers.numbers([of])
        return self._numbers[key]


def _grouped(
    items: Sequence[Item],
) -> tuple[dict[tuple[bool, Adaptation], _Rows], dict[Adaptation, _Rows]]:
    """What a lease shows: sets, each adapted alike so that batches are full, and clean images."""
    sets: dict[tuple[bool, Adaptation], _Rows] = {}
    clean: dict[Adaptation, _Rows] = {}
    for chunk in items:
        assert isinstance(chunk, Chunk)
        of = chunk.of
        if isinstance(of, Pair):
            rows = sets.setdefault((of.own, of.adaptation), [])
        else:
            rows = clean.setdefault(of.adaptation, [])
        rows += [(chunk, row) for row in chunk.left.values()]
    return sets, clean


def _shown(own: bool, how: Adaptation, rows: _Rows) -> ShownSet:
    shown = [Shown(row.saved, row.goal, row.predicted) for _, row in rows if row.saved]
    return ShownSet(own, how, tuple(shown))


def _shown_clean(how: Adaptation, rows: _Rows) -> ShownClean:
    of = rows[0][0].of
    assert isinstance(of, AdaptedClean)
    return ShownClean(of.sources[0].model.name, how, tuple(row.key.name for _, row in rows))
