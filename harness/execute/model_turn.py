"""A model's cells: a shard for each of their groups."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from harness.analysis import doubts
from harness.api import CleanPrediction, ImageKey, Measured, Outcome, Verdict
from harness.execute.attempts import Attempts
from harness.execute.events import Attacked, Event, MeasuredRows, Predicted
from harness.execute.session import Session
from harness.execute.shards import Facts, Shard, cut, speaker, task_groups
from harness.execute.starting_points import starts_of
from harness.execute.targets import Skipped
from harness.execute.turn import Turn
from harness.planning import Cell
from harness.store.artifacts import KeptRow
from harness.store.read.pending import done_clean


class ModelTurn(Turn):
    """Computes the pending images of one model's cells.

    Args:
        cells: the clean one first.
        todo: the ids of the images to compute, by the cells' keys.
    """

    def __init__(
        self,
        session: Session,
        cells: Sequence[Cell],
        todo: Mapping[str, Collection[str]],
        next_model: str | None = None,
    ) -> None:
        super().__init__(session, cells[0], next_model)
        self._cells = cells
        self._left = {cell.key: dict.fromkeys(todo[cell.key]) for cell in cells}
        self._groups = deque(task_groups(cells))
        self._clean: Mapping[ImageKey, CleanPrediction] | None = None
        self._skipped: Mapping[str, Sequence[Skipped]] = {}
        self._begun = False

    def shard(self) -> Shard | None:
        cells = self._pending()
        if not cells:
            return None
        if not self._begun:
            self._session.progress.cell(self.model)
            self._begun = True
        task, self._skipped = cut(cells, self._left, self._facts(cells))
        return Shard(
            model=self.model,
            label=cells[0].label,
            speaker=speaker(cells[0]),
            task=task,
            trial=self._trial,
            next_model=self._next_model,
        )

    def _begin(self, batch_size: int) -> Attempts:
        session, cells = self._session, self._pending()
        goals = [str(cell.goal) for cell in cells[1:]]
        session.progress.cell(" + ".join([cells[0].label, *goals]))
        attempts = Attempts(session, cells, batch_size=batch_size)
        for cell in cells:
            if cell.attack and cell.attack.keep:  # outcomes without the candidates for transfers
                session.writer.make_again(cell.key, self._left[cell.key], session.run)
            self._skip(cell, self._skipped.get(cell.key, ()), attempts)
        return attempts

    def _give_up(self, error: str) -> None:
        """Every pending cell gets an attempt that says so."""
        said = f"{error} (plugin {self._clean_cell.model.plugin})"
        left = [cell for cell in self._cells if self._left[cell.key]]
        self.failed = True
        self._fail(left, said)
        self._session.progress.say(f"{self.model}: {said}")
        self._session.progress.advance(cells=len(left))

    def _store(self, event: Event, attempts: Attempts) -> None:
        match event:
            case Predicted():
                self._store_clean(event.rows, attempts)
            case Attacked():
                self._store_outcomes(event, attempts)
            case MeasuredRows():
                self._store_measured(event, attempts)

    def _complete(self, attempts: Attempts) -> str:
        self._groups.popleft()
        self._seal(attempts.cells)
        if attempts.cells[0] is self._clean_cell:
            self._doubt_accuracy()
        self._session.progress.advance(cells=len(attempts.cells))
        return attempts.cells[0].label

    def _recut(self, begun: Attempts | None, *, failed: str | None) -> None:
        if failed:
            cells = begun.cells if begun else ()
            self._fail([c for c in self._cells if self._left[c.key] and c not in cells], failed)
            self._seal(self._cells)

    def _pending(self) -> list[Cell]:
        """The cells of the next group that are not complete."""
        while self._groups:
            if cells := [cell for cell in self._groups[0] if self._left[cell.key]]:
                return cells
            self._groups.popleft()
        return []

    def _facts(self, cells: Sequence[Cell]) -> Facts:
        session, first = self._session, cells[0]
        keys, journal = session.images.keys, session.journal
        if first is self._clean_cell:
            return Facts(keys=keys)
        if self._clean is None:
            key = self._clean_cell.key
            self._clean = done_clean(session.writer.db, key, retry_errors=False)
        images = [(cell.key, image) for cell in cells for image in self._left[cell.key]]
        deadly = {image: why for image in images if (why := journal.deadly(image))}
        start, starts = starts_of(session.writer.db, first)
        return Facts(
            keys=keys,
            clean=self._clean,
            deadly=deadly,
            suspects=journal.suspects(),
            start=start,
            starts=starts,
        )

    def _skip(self, cell: Cell, rows: Sequence[Skipped], attempts: Attempts) -> None:
        """Store the results of images that need no work."""
        if not rows:
            return
        if cell.attack:
            keys = self._session.images.keys
            outcomes = [
                Outcome(image_id=image, label=keys[image].label, verdict=Verdict(status), error=why)
                for image, status, why in rows
            ]
            self._store_outcomes(Attacked(cell.key, outcomes), attempts)
        else:
            measured = [
                Measured(image_id=image, status=status, error=why) for image, status, why in rows
            ]
            self._store_measured(MeasuredRows(cell.key, measured), attempts)

    def _store_clean(self, rows: Sequence[CleanPrediction], attempts: Attempts) -> None:
        key = self._clean_cell.key
        self._session.writer.write_clean(attempts.of(key), rows)
        errors = [row.error for row in rows if row.error]
        if errors:
            attempts.fail(errors[0])
        self._stored(key, [row.image_id for row in rows], len(rows) - len(errors))

    def _store_outcomes(self, found: Attacked, attempts: Attempts) -> None:
        writer, kept = self._session.writer, dict[str, KeptRow]()
        if found.candidates is not None:
            rows = writer.artifacts.append(found.cell, found.candidates)
            kept = dict(zip(found.saved, rows, strict=True))
        writer.write_outcomes(attempts.of(found.cell), found.rows, kept)
        self._settle(found, attempts)

    def _store_measured(self, found: MeasuredRows, attempts: Attempts) -> None:
        self._session.writer.write_measured(attempts.of(found.cell), found.rows)
        self._settle(found, attempts)

    def _settle(self, found: Attacked | MeasuredRows, attempts: Attempts) -> None:
        """The rows are stored; the first error among them is the attempt's."""
        self._session.journal.settled([(found.cell, row.image_id) for row in found.rows])
        if wrong := next((row for row in found.rows if row.error), None):
            (cell,) = (cell for cell in attempts.cells if cell.key == found.cell)
            culprit = f" ({speaker(cell)})" if wrong.image_id in found.faults else ""
            attempts.fail(f"image {wrong.image_id}: {wrong.error}{culprit}", found.cell)
        ids = [row.image_id for row in found.rows]
        self._stored(found.cell, ids, sum(row.passes.forwards for row in found.rows))

    def _stored(self, cell_key: str, ids: Sequence[str], forwards: int) -> None:
        for image in ids:
            self._left[cell_key].pop(image, None)
        self.computed += len(ids)
        self._session.progress.advance(images=len(ids), forwards=forwards)

    def _seal(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            if cell.attack and cell.attack.keep:
                self._session.writer.artifacts.seal(cell.key)

    def _fail(self, cells: Sequence[Cell], why: str) -> None:
        """Nothing more is computed: each of ``cells`` gets a failed attempt."""
        self._groups.clear()
        asked = self._session.settings.batch_size or 0
        for cell in cells:
            Attempts(self._session, [cell], batch_size=asked).finish("failed", why)

    def _doubt_accuracy(self) -> None:
        """Say where the accuracy is no better than chance, or far from the published one."""
        clean, keys = self._clean_cell, self._session.images.keys
        stored = done_clean(self._session.writer.db, clean.key, retry_errors=True)
        found = {key: stored.get(key) for key in (keys[image.id] for image in clean.images)}
        right = [row.predicted == key.label for key, row in found.items() if row is not None]
        published = clean.model.about["published"]["top1"]
        share = None if published is None else published / 100
        classes = clean.model.identity["classes"]
        self._doubt(doubts.of_accuracy(sum(right), len(right), classes, share))
