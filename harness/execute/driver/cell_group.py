"""A task group of a model's own cells: its clean cell, an attack with its goals, a measurement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Protocol

from harness.api import Call, CleanPrediction, ImageKey, Measured, Outcome, Status, Verdict
from harness.execute.driver.attempts import Attempts
from harness.execute.driver.scheduler import Item, Lease, Queue
from harness.execute.driver.targets import Facts, Skipped, assign_targets
from harness.execute.driver.task_group import TaskGroup
from harness.execute.events import Attacked, Event, MeasuredRows, Predicted
from harness.execute.session import Session
from harness.execute.shards import CellImage, Shard, cut, speaker
from harness.overdue import MARK
from harness.planning import Cell
from harness.sealed import SavedRow
from harness.store.artifacts import KeptRow


class Owner(Protocol):
    """Who knows of all of a model's groups."""

    def predicted(self, rows: Sequence[CleanPrediction]) -> None:
        """Clean predictions are stored."""

    def over(self, group: CellGroup) -> None:
        """No work is left in the group, and no worker is at it."""

    def give_up(self, error: str) -> None:
        """The model cannot be used: nothing more is computed on it."""


class CellGroup(TaskGroup):
    """Computes the pending images of cells that share a task; an item is an image, with all goals.

    Args:
        clean: the model's clean cell.
        cells: the group's, one of `harness.execute.shards.task_groups`.
        todo: the ids of the images to compute, by the cells' keys.

    Attributes:
        unopened: the images that wait for something else to be stored.
    """

    def __init__(
        self,
        session: Session,
        owner: Owner,
        clean: Cell,
        cells: Sequence[Cell],
        todo: Mapping[str, Collection[str]],
        queue: Queue,
    ) -> None:
        super().__init__(session, clean, queue)
        self._owner, self.cells = owner, cells
        self._left = {cell.key: dict.fromkeys(todo[cell.key]) for cell in cells}
        self.unopened = {image for ids in self._left.values() for image in ids}
        self._targets: dict[CellImage, int | None] = {}
        self._starts: Mapping[ImageKey, SavedRow] = {}
        self._skipped: dict[str, list[Skipped]] = {}
        self._made_again = False
        self._place = {image.id: place for place, image in enumerate(cells[0].images)}
        self._unfinished = len(self.pending)

    @property
    def label(self) -> str:
        return self.cells[0].label

    @property
    def pending(self) -> list[Cell]:
        """The cells that are not complete."""
        return [cell for cell in self.cells if self._left[cell.key]]

    @property
    def is_clean(self) -> bool:
        """Whether it makes the model's clean predictions."""
        return self.cells[0] is self._clean_cell

    def open(self, facts: Facts, only: Set[str] | None = None) -> None:
        """What the images need is stored: all of them, or those of ``only``."""
        chosen = self.unopened if only is None else self.unopened & only
        if not chosen:
            return
        images = sorted(chosen, key=self._place.__getitem__)
        self.unopened.difference_update(images)
        self._starts = facts.starts
        wanted = set(images) if self.is_clean else self._assigned(images, facts)
        suspects = wanted & self._suspects()
        wanted -= suspects
        items = [image for image in images if image in wanted]
        self.queue.open(items, settled=len(images) - len(items))
        self.queue.put_back((), [(image,) for image in images if image in suspects])

    def give_up(self, error: str) -> None:
        self._owner.give_up(f"{error} (plugin {self._clean_cell.model.plugin})")

    def fail(self, why: str) -> None:
        """Each cell that is not complete gets a failed attempt."""
        self.failed = True
        self.queue.clear()
        self.unopened.clear()
        self._skipped.clear()
        asked = self._session.settings.batch_size or 0
        device = str(self._session.settings.device)
        pending = self.pending
        if pending:
            Attempts(self._session, pending, device=device, batch_size=asked).finish("failed", why)

    def suspects(self, call: Call | None) -> Collection[Item] | None:
        named = [] if call is None else call.images
        return {name for cell, name in named if name in self._left.get(cell, ())} or None

    def blame(self, item: Item, why: str) -> Sequence[Item]:
        image, journal = str(item), self._session.journal
        keys = [cell.key for cell in self.pending if image in self._left[cell.key]]
        journal.died([(key, image) for key in keys], why, certain=MARK in why)
        deadly = journal.deadly((keys[0], image))
        if deadly is None:
            return [item]
        for key in keys:
            self._skipped.setdefault(key, []).append((image, Status.ERROR, deadly))
        self._flush()
        return ()

    def _shard(self, lease: Lease) -> Shard:
        keys = self._session.images.keys
        images = [keys[str(item)] for item in lease.items]
        left = {
            place: self._targets[place]
            for image in images
            for cell in self.cells
            if (place := (cell.key, image.name)) in self._targets
            and image.name in self._left[cell.key]
        }
        return Shard(
            model=self.model,
            label=self.label,
            speaker=speaker(self.cells[0]),
            task=cut(self.cells, images, left, self._starts),
            trial=self._trial,
            next_model=lease.then,
        )

    def _begin(self, lease: Lease, *, device: str, batch_size: int) -> Attempts:
        session, cells = self._session, self.pending
        goals = [str(cell.goal) for cell in cells[1:]]
        session.progress.cell(" + ".join([cells[0].label, *goals]))
        attempts = Attempts(session, cells, device=device, batch_size=batch_size)
        self._announce_again()
        self._skip(attempts)
        return attempts

    def _store(self, lease: Lease, event: Event, attempts: Attempts) -> Sequence[Item]:
        match event:
            case Predicted():
                return self._store_clean(event.rows, attempts)
            case Attacked():
                return self._store_outcomes(event, attempts)
            case MeasuredRows():
                return self._store_measured(event, attempts)
        return ()

    def _close(self) -> None:
        self._flush()
        for cell in self.cells:
            if cell.attack and cell.attack.keep:
                self._session.writer.artifacts.seal(cell.key)
        self._finish()
        self._session.progress.advance(cells=self._unfinished)
        self._owner.over(self)

    def _suspects(self) -> set[str]:
        """Images that a process died with: each is done alone, after the others."""
        keys = {cell.key for cell in self.cells}
        return {image for cell, image in self._session.journal.suspects() if cell in keys}

    def _assigned(self, images: Sequence[str], facts: Facts) -> set[str]:
        """Assign targets; the images that there is something to do on."""
        wanted: set[str] = set()
        for cell in self.cells:
            left = [image for image in images if image in self._left[cell.key]]
            targets, skipped = assign_targets(cell, left, facts)
            self._targets.update({(cell.key, image): target for image, target in targets.items()})
            self._skipped.setdefault(cell.key, []).extend(skipped)
            wanted |= targets.keys()
        return wanted

    def _announce_again(self) -> None:
        """Outcomes without the candidates for transfers are replaced by those of this run."""
        if not self._made_again:
            self._made_again = True
            for cell in self.pending:
                if cell.attack and cell.attack.keep:
                    left = self._left[cell.key]
                    self._session.writer.make_again(cell.key, left, self._session.run)

    def _flush(self) -> None:
        """Store the results of images that need no work, where no worker has begun any."""
        if any(self._skipped.values()):
            attempts = next(iter(self._attempts.values()), None)
            if attempts is None:
                session = self._session
                attempts = Attempts(
                    session,
                    self.pending,
                    device=str(session.settings.device),
                    batch_size=session.settings.batch_size or 0,
                )
                attempts.pause()
                self._announce_again()
                self._attempts[-1] = attempts  # of no worker
            self._skip(attempts)

    def _skip(self, attempts: Attempts) -> None:
        """Store the results of images that need no work."""
        skipped, self._skipped = self._skipped, {}
        for key, rows in skipped.items():
            if not rows:
                continue
            if self.cells[0].attack:
                keys = self._session.images.keys
                outcomes = [
                    Outcome(image_id=id, label=keys[id].label, verdict=Verdict(status), error=why)
                    for id, status, why in rows
                ]
                self._store_outcomes(Attacked(key, outcomes), attempts)
            elif self.is_clean:
                keys = self._session.images.keys
                self._store_clean(
                    [CleanPrediction(id, keys[id].label, error=why) for id, _, why in rows],
                    attempts,
                )
            else:
                measured = [
                    Measured(image_id=id, status=status, error=why) for id, status, why in rows
                ]
                self._store_measured(MeasuredRows(key, measured), attempts)

    def _store_clean(self, rows: Sequence[CleanPrediction], attempts: Attempts) -> Sequence[Item]:
        key = self._clean_cell.key
        self._session.writer.write_clean(attempts.of(key), rows)
        errors = [row.error for row in rows if row.error]
        if errors:
            attempts.fail(errors[0])
        stored = self._stored(key, [row.image_id for row in rows], len(rows) - len(errors))
        self._owner.predicted(rows)
        return stored

    def _store_outcomes(self, found: Attacked, attempts: Attempts) -> Sequence[Item]:
        writer, kept = self._session.writer, dict[str, KeptRow]()
        if found.candidates is not None:
            rows = writer.artifacts.append(found.cell, found.candidates)
            kept = dict(zip(found.saved, rows, strict=True))
        writer.write_outcomes(attempts.of(found.cell), found.rows, kept)
        return self._settle(found, attempts)

    def _store_measured(self, found: MeasuredRows, attempts: Attempts) -> Sequence[Item]:
        self._session.writer.write_measured(attempts.of(found.cell), found.rows)
        return self._settle(found, attempts)

    def _settle(self, found: Attacked | MeasuredRows, attempts: Attempts) -> Sequence[Item]:
        """The rows are stored; the first error among them is the attempt's."""
        self._session.journal.settled([(found.cell, row.image_id) for row in found.rows])
        if wrong := next((row for row in found.rows if row.error), None):
            (cell,) = (cell for cell in attempts.cells if cell.key == found.cell)
            culprit = f" ({speaker(cell)})" if wrong.image_id in found.faults else ""
            attempts.fail(f"image {wrong.image_id}: {wrong.error}{culprit}", found.cell)
        ids = [row.image_id for row in found.rows]
        return self._stored(found.cell, ids, sum(row.passes.forwards for row in found.rows))

    def _stored(self, cell_key: str, ids: Sequence[str], forwards: int) -> Sequence[Item]:
        """Count the images; those that are done with in all cells."""
        for image in ids:
            self._left[cell_key].pop(image, None)
        self.computed += len(ids)
        self._session.progress.advance(images=len(ids), forwards=forwards)
        return [id for id in ids if not any(id in left for left in self._left.values())]
