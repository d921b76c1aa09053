"""What a target has yet to see: one shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from harness.execute.attempts import Attempts
from harness.execute.events import CleanSeen, Event, SetSeen
from harness.execute.pending import AdaptedClean
from harness.execute.session import Session
from harness.execute.shards import Shard, Shown, ShownClean, ShownSet, TransferTask
from harness.execute.turn import Turn
from harness.planning import Adaptation, Cell, Pair
from harness.store.read.candidates import Candidate

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Showing:
    """What a target, a clean cell, has yet to see; candidates in the order of their pixels."""

    target: Cell
    pairs: Sequence[tuple[Pair, Sequence[Candidate]]]
    clean: Sequence[tuple[AdaptedClean, Sequence[Candidate]]]

    @property
    def images(self) -> int:
        return sum(len(rows) for _, rows in (*self.pairs, *self.clean))

    @property
    def readable(self) -> Showing:
        """Without the candidates whose pixels are not there."""
        kept = [(pair, [row for row in rows if row.saved]) for pair, rows in self.pairs]
        return replace(self, pairs=[(pair, rows) for pair, rows in kept if rows])


@dataclass(slots=True, kw_only=True)
class _Part(Generic[_Row]):
    """Rows of one shard; ``seen``: the numbers of those whose predictions are stored."""

    rows: list[_Row]
    seen: set[int] = field(default_factory=set)

    def forget_seen(self) -> None:
        """Keep the rows that are left."""
        self.rows = [row for number, row in enumerate(self.rows) if number not in self.seen]
        self.seen = set()


@dataclass(slots=True, kw_only=True)
class _Set(_Part[tuple[int, Candidate]]):
    """Candidates that are adapted alike, so that batches are full, each with its pair's place."""

    own: bool
    adaptation: Adaptation

    def shown(self) -> ShownSet:
        rows = [Shown(row.saved, row.goal, row.predicted) for _, row in self.rows if row.saved]
        return ShownSet(self.own, self.adaptation, tuple(rows))


@dataclass(slots=True, kw_only=True)
class _Clean(_Part[Candidate]):
    """Clean images of other models."""

    of: AdaptedClean

    def shown(self) -> ShownClean:
        names = tuple(row.key.name for row in self.rows)
        return ShownClean(self.of.sources[0].model.name, self.of.adaptation, names)


class TransferTurn(Turn):
    """Has a target predict what ``showing`` says."""

    def __init__(self, session: Session, showing: Showing, next_model: str | None = None) -> None:
        super().__init__(session, showing.target, next_model)
        self._pairs = [pair for pair, _ in showing.pairs]
        self._sets = _grouped(showing)
        self._clean = [_Clean(of=of, rows=list(rows)) for of, rows in showing.clean]
        self._numbers: list[int] = []
        self._over = False

    def shard(self) -> Shard | None:
        if self._over:
            return None
        self._session.progress.cell(f"{self.model}: transfers")
        return Shard(
            model=self.model,
            label=self._clean_cell.label,
            speaker=f"model {self.model}",
            task=TransferTask(
                sets=tuple(each.shown() for each in self._sets),
                clean=tuple(each.shown() for each in self._clean),
            ),
            trial=self._trial,
            next_model=self._next_model,
        )

    def _begin(self, batch_size: int) -> Attempts:
        self._numbers = self._session.writer.transfers.numbers(self._pairs)
        return Attempts(self._session, [self._clean_cell], batch_size=batch_size)

    def _give_up(self, error: str) -> None:
        asked = self._session.settings.batch_size or 0
        self._attempts = Attempts(self._session, [self._clean_cell], batch_size=asked)
        self._attempts.fail(error)

    def _store(self, event: Event, attempts: Attempts) -> None:
        match event:
            case SetSeen():
                self._store_set(event)
            case CleanSeen():
                self._store_clean(event)

    def _complete(self, attempts: Attempts) -> str:
        self._over = True
        return f"{self.model}: transfers"

    def _recut(self, begun: Attempts | None, *, failed: str | None) -> None:
        self._over = failed is not None
        for part in self._sets:
            part.forget_seen()
        for clean in self._clean:
            clean.forget_seen()

    def _store_set(self, found: SetSeen) -> None:
        part = self._sets[found.number]
        rows = [part.rows[row] for row in found.rows]
        self._session.writer.transfers.write(
            [
                (self._numbers[pair], candidate.image, predicted, rank)
                for (pair, candidate), predicted, rank in zip(
                    rows, found.predicted, found.ranks, strict=True
                )
            ]
        )
        self._stored(part, found.rows)

    def _store_clean(self, found: CleanSeen) -> None:
        part = self._clean[found.number]
        images = [part.rows[row].image for row in found.rows]
        rows = list(zip(images, found.predicted, strict=True))
        target, how = self._clean_cell.key, part.of.adaptation
        self._session.writer.transfers.write_adapted(target, how, rows)
        self._stored(part, found.rows)

    def _stored(self, part: _Set | _Clean, rows: Sequence[int]) -> None:
        part.seen.update(rows)
        self.computed += len(rows)
        self._session.progress.advance(images=len(rows), forwards=len(rows))


def _grouped(showing: Showing) -> list[_Set]:
    groups: dict[tuple[bool, Adaptation], _Set] = {}
    for place, (pair, rows) in enumerate(showing.pairs):
        new = _Set(own=pair.own, adaptation=pair.adaptation, rows=[])
        group = groups.setdefault((pair.own, pair.adaptation), new)
        group.rows += [(place, row) for row in rows]
    return list(groups.values())
