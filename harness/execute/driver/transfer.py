"""Transfers: the saved examples of every model on every model of the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from harness.execute.driver.scheduler import Queue
from harness.execute.driver.target_group import TargetGroup
from harness.execute.pending import AdaptedClean, Forwards, adapted_clean
from harness.execute.session import Session
from harness.planning import Cell, Pair
from harness.store.read.candidates import Candidate, candidates
from harness.store.read.pending import done_adapted, done_transfers, failed_transfers


class Transfers:
    """Finds out what targets have yet to see, as soon as it is there, and counts what they saw.

    Args:
        announced: the plan's transfers, with the images of each part as they were announced.
        queues: one for each target, by the keys of their clean cells.
        ended: called with each target's group that is over.

    Attributes:
        groups: the targets', in the order of the plan.
        computed: predictions that were stored.
        left: images of those that were announced and that are not settled yet.
    """

    def __init__(
        self,
        session: Session,
        announced: Sequence[tuple[Forwards, int]],
        queues: Mapping[str, Queue],
        *,
        ended: Callable[[TargetGroup], None],
    ) -> None:
        self._session, self._plan = session, session.resolved.plan
        self._db, self._retry = session.writer.db, session.settings.retry_errors
        self._announced = announced
        self._drops = self._plan.transfer is not None and not self._plan.transfer.keep_sets
        targets = [cell for cell in self._plan.cells if cell.key in queues and cell.task is None]
        self._groups = {
            cell.key: TargetGroup(session, cell, queues[cell.key], on_seen=self._seen, on_end=ended)
            for cell in targets
        }
        self._waiting = [cell.key for cell in self._plan.sources]
        """The sources that are not open yet."""
        self._adapted: dict[tuple[str, str], set[int]] = {}
        self._missing: Counter[str] = Counter()
        self._unseen: Counter[str] = Counter()
        self._dropped: list[int] = []
        self.computed = 0
        self.left = sum(count for _, count in announced)
        self._is_shown = self._drops

    @property
    def groups(self) -> list[TargetGroup]:
        return list(self._groups.values())

    def announce(self) -> None:
        """From now on they are what the run does.

        Apart from its cells: a thousand transfers take as long as one image of a cell.
        """
        if self.left and not self._is_shown:
            self._session.progress.start(cells=0, images=self.left)
        self._is_shown = True

    def open(self, sources: Sequence[Cell]) -> None:
        """Show the candidates of ``sources``, attack cells that are over, to every model."""
        sources = [cell for cell in sources if cell.key in self._waiting]
        if not sources:
            return
        for cell in sources:
            self._waiting.remove(cell.key)
        found = {cell.key: self._candidates(cell) for cell in sources}
        parts = [*self._pairs(sources, found), *self._clean(sources, found)]
        self._count_settled(sources, sum(len(rows) for _, rows in parts))
        for part, rows in parts:
            readable = [row for row in rows if row.saved] if isinstance(part, Pair) else rows
            self._missing[part.model.name] += len(rows)
            self._unseen[_source(part).key] += len(readable)
            if readable and (group := self._groups.get(part.target.key)):
                group.open(part, readable)
        for cell in sources:
            self._drop_if_seen(cell)
        if not self._waiting:
            for group in self._groups.values():
                group.queue.open((), settled=group.queue.expected)
                group.is_complete = True
                group.close_if_over()

    def say_dropped(self) -> None:
        """Say what a model that comes later will cost."""
        if self._dropped:
            self._session.progress.say(
                f"{len(self._dropped)} sets are not kept: for another model their"
                f" {sum(self._dropped)} images will be attacked again"
            )

    def problems(self) -> list[str]:
        """A line for each target that some candidates were not shown to, or that failed on some."""
        counts, failed = failed_transfers(self._db), Counter[str]()
        for pair in self._plan.pairs:
            failed[pair.model.name] += counts.get((pair.source.key, pair.target.key), 0)
        lines = []
        for model in self._plan.models:
            found = {"NaN or infinite": failed[model.name], "missing": self._missing[model.name]}
            parts = [f"{count} {word}" for word, count in found.items() if count]
            if parts:
                lines.append(f"{model.name}: transfers: {', '.join(parts)}")
        return lines

    def _seen(self, part: Forwards, count: int) -> None:
        """Predictions of a part are stored."""
        self.computed += count
        self._missing[part.model.name] -= count
        source = _source(part)
        self._unseen[source.key] -= count
        self._settle(count, forwards=count)
        self._drop_if_seen(source)

    def _settle(self, count: int, *, forwards: int = 0) -> None:
        self.left -= count
        if self._is_shown:
            self._session.progress.advance(images=count, forwards=forwards)

    def _drop_if_seen(self, source: Cell) -> None:
        """Where sets are not kept, delete one that every model has seen."""
        if not self._drops or self._unseen[source.key] or source.key in self._waiting:
            return
        kept = sum(row.file is not None for row in candidates(self._db, source.key))
        self._dropped += [kept] if kept else []
        self._session.writer.drop_sets([source.key])

    def _pairs(
        self, sources: Sequence[Cell], found: Mapping[str, Sequence[Candidate]]
    ) -> list[tuple[Forwards, list[Candidate]]]:
        """What each model has yet to see of the candidates."""
        parts: list[tuple[Forwards, list[Candidate]]] = []
        for cell in sources:
            for pair in self._plan.pairs_by_source.get(cell.key, ()):
                done = done_transfers(self._db, pair, retry_errors=self._retry)
                parts.append((pair, [row for row in found[cell.key] if row.key not in done]))
        return parts

    def _clean(
        self, sources: Sequence[Cell], found: Mapping[str, Sequence[Candidate]]
    ) -> list[tuple[Forwards, list[Candidate]]]:
        """The clean images that targets have to see next to them, each once."""
        pairs = [pair for cell in sources for pair in self._plan.pairs_by_source.get(cell.key, ())]
        parts: list[tuple[Forwards, list[Candidate]]] = []
        for each in adapted_clean(pairs):
            how = (each.target.key, repr(each.adaptation))
            known = self._adapted.setdefault(how, set())
            done = done_adapted(
                self._db, each.target.key, each.adaptation, retry_errors=self._retry
            )
            attacked = {row.image: row for cell in each.sources for row in found[cell.key]}
            rows = [
                row for row in attacked.values() if row.key not in done and row.image not in known
            ]
            known.update(row.image for row in rows)
            parts.append((each, rows))
        return parts

    def _candidates(self, cell: Cell) -> list[Candidate]:
        """The candidates of the plan's images."""
        wanted = {self._session.images.keys[image.id] for image in cell.images}
        found = candidates(self._db, cell.key)
        return [row for row in found if row.key in wanted]

    def _count_settled(self, sources: Sequence[Cell], found: int) -> None:
        """What was announced and turned out to be nothing to do counts as done."""
        chosen = {cell.key for cell in sources}
        most = sum(count for each, count in self._announced if _source(each).key in chosen)
        self._settle(max(0, most - found))


def _source(part: Forwards) -> Cell:
    """The first of the attack cells that a part of the transfers is about."""
    return part.sources[0] if isinstance(part, AdaptedClean) else part.source
