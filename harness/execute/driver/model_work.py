"""All that is computed on a model's own images: its task groups, and what each waits for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from harness.analysis import indicators
from harness.api import CleanPrediction, ImageKey
from harness.execute.driver.cell_group import CellGroup
from harness.execute.driver.scheduler import Queue
from harness.execute.driver.starting_points import starts_of
from harness.execute.driver.targets import Facts
from harness.execute.session import Session
from harness.execute.shards import task_groups
from harness.planning import Cell
from harness.store.read.pending import done_clean


class ModelWork:
    """A model's task groups. Attacks and measurements wait for the clean predictions of their
    images, and measurements that start from an attack's examples for all of these.

    Args:
        cells: the model's, the clean one first.
        todo: the ids of the images to compute, by the cells' keys.
        queues: one for each of the task groups.
        on_group: called with each attack's group that is over.
        on_end: called when all of them are.

    Attributes:
        model: its name.
        groups: the clean one first.
    """

    def __init__(
        self,
        session: Session,
        cells: Sequence[Cell],
        todo: Mapping[str, Collection[str]],
        queues: Sequence[Queue],
        *,
        on_group: Callable[[CellGroup], None],
        on_end: Callable[[ModelWork], None],
    ) -> None:
        self._session, self._on_group, self._on_end = session, on_group, on_end
        self._clean_cell = cells[0]
        self.model = cells[0].model.name
        self.groups = [
            CellGroup(session, self, cells[0], members, todo, queue)
            for members, queue in zip(task_groups(cells), queues, strict=True)
        ]
        self._open = list(self.groups)
        self._clean: dict[ImageKey, CleanPrediction] = {}
        self._known: set[str] = set()
        """The images whose clean predictions are stored, and not to be made again."""
        self._gave_up = self._ended = False

    @property
    def computed(self) -> int:
        """Images that were stored."""
        return sum(group.computed for group in self.groups)

    @property
    def failed(self) -> bool:
        """Whether any of the work failed."""
        return any(group.failed for group in self.groups)

    @property
    def reason(self) -> str | None:
        """Why it failed, where workers did not survive it."""
        return next((group.reason for group in self.groups if group.reason), None)

    def begin(self) -> None:
        """Open what can be done now."""
        stored = done_clean(self._session.writer.db, self._clean_cell.key, retry_errors=False)
        self._clean.update(stored)
        clean, *others = self.groups
        self._known = {key.name for key in stored} - clean.unopened
        clean.open(self._facts(clean))
        for group in others:
            self._try_to_open(group)
        for group in self.groups:
            group.close_if_over()

    def predicted(self, rows: Sequence[CleanPrediction]) -> None:
        """Clean predictions are stored: their images can be attacked and measured."""
        keys = self._session.images.keys
        self._clean.update({keys[row.image_id]: row for row in rows})
        known = {row.image_id for row in rows}
        self._known |= known
        for group in self.groups[1:]:
            if not self._waits(group):
                group.open(self._facts(group), known)

    def over(self, group: CellGroup) -> None:
        """No work is left in the group."""
        self._open.remove(group)
        if not group.is_clean:
            self._on_group(group)
        elif group.computed:
            self._doubt_accuracy()
        for other in list(self._open):
            if other is not self.groups[0]:
                self._try_to_open(other)
                other.close_if_over()
        if not self._open and not self._ended:
            self._ended = True
            self._on_end(self)

    def give_up(self, error: str) -> None:
        """The model cannot be used: each cell that is not complete gets an attempt that says so."""
        if self._gave_up:
            return
        self._gave_up = True
        for group in self.groups:
            group.fail(error)
        self._session.progress.say(f"{self.model}: {error}")
        for group in list(self._open):
            group.close_if_over()

    def _waits(self, group: CellGroup) -> bool:
        """Whether it starts from the examples of an attack that is not over yet."""
        measurement = group.cells[0].measurement
        attack = measurement and measurement.starts_from
        return attack is not None and any(
            each.cells[0].attack is not None and each.cells[0].attack.label == attack.label
            for each in self._open
        )

    def _try_to_open(self, group: CellGroup) -> None:
        """Open the images of which all is known; in the end also those that were not predicted."""
        if not self._waits(group):
            all_known = self.groups[0] not in self._open
            group.open(self._facts(group), None if all_known else self._known)

    def _facts(self, group: CellGroup) -> Facts:
        session = self._session
        start, starts = starts_of(session.writer.db, group.cells[0])
        return Facts(
            keys=session.images.keys,
            clean=self._clean,
            deadly=session.journal.deadly,
            start=start,
            starts=starts,
        )

    def _doubt_accuracy(self) -> None:
        """Say where the accuracy is no better than chance, or far from the published one."""
        clean, keys = self._clean_cell, self._session.images.keys
        stored = done_clean(self._session.writer.db, clean.key, retry_errors=True)
        found = {key: stored.get(key) for key in (keys[image.id] for image in clean.images)}
        right = [row.predicted == key.label for key, row in found.items() if row is not None]
        published = clean.model.about["published"]["top1"]
        share = None if published is None else published / 100
        classes = clean.model.identity["classes"]
        for each in indicators.of_accuracy(self.model, sum(right), len(right), classes, share):
            self._session.progress.say(f"{self.model}: {each.says}")
