"""Transfers: the kept candidates of every model on every model of the plan, target by target."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from harness.execute.model_cache import ModelCache
from harness.execute.pending import AdaptedClean, Forwards, adapted_clean
from harness.execute.session import Session
from harness.execute.transfer_target import TargetWork, Task
from harness.planning import Cell, Pair
from harness.store.read.candidates import Candidate, candidates
from harness.store.read.pending import done_adapted, done_transfers, failed_transfers


class FailFast(Exception):
    """The model of this name failed, and the run is to stop at the first that does."""


class TransferWork:
    """Finds out what targets have yet to see, and has them see it.

    Args:
        announced: the plan's transfers, with the images of each part as they were announced.
    """

    def __init__(
        self,
        session: Session,
        models: ModelCache,
        announced: Sequence[tuple[Forwards, int]],
    ) -> None:
        self._plan, self._models = session.resolved.plan, models
        self._writer, self._progress = session.writer, session.progress
        self._db, self._keys, self._announced = session.writer.db, session.images.keys, announced
        self._retry = session.settings.retry_errors
        self._fail_fast = session.settings.fail_fast
        self._work = TargetWork(session, models)
        self._missing: Counter[str] = Counter()
        self._dropped: list[int] = []

    @property
    def computed(self) -> int:
        """Predictions that were stored."""
        return self._work.computed

    def do(self, sources: Sequence[Cell]) -> None:
        """Show the candidates of ``sources``, attack cells, to every model of the plan.

        Raises:
            FailFast: a model failed, and that is the end.
        """
        tasks = self._tasks(sources)
        self._count_settled(sources, tasks)
        tasks = self._by_residency([task for task in tasks if task.images])
        for task in tasks:
            self._missing[task.target.model.name] += task.images
        readable = [task.readable for task in tasks]
        busy = [task for task in readable if task.images]
        for task, after in itertools.zip_longest(busy, busy[1:]):
            name, before = task.target.model.name, self.computed
            failed = self._work.do(task, after.target.model.name if after else None)
            self._missing[name] -= self.computed - before
            if failed and self._fail_fast:
                raise FailFast(name)

    def stream(self, sources: Sequence[Cell]) -> None:
        """As `do`; then the sets of ``sources`` are dropped."""
        self.do(sources)
        for cell in sources:
            kept = sum(row.file is not None for row in candidates(self._db, cell.key))
            self._dropped += [kept] if kept else []
        self._writer.drop_sets(cell.key for cell in sources)

    def say_dropped(self) -> None:
        """Say what a model that comes later will cost."""
        if self._dropped:
            self._progress.say(
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

    def _tasks(self, sources: Sequence[Cell]) -> list[Task]:
        """What each model has yet to see of ``sources``."""
        found = {cell.key: self._candidates(cell) for cell in sources}
        pairs = [pair for key in found for pair in self._plan.pairs_by_source.get(key, ())]
        shown: dict[str, list[tuple[Pair, list[Candidate]]]] = {}
        for pair in pairs:
            done = done_transfers(self._db, pair, retry_errors=self._retry)
            rows = [row for row in found[pair.source.key] if row.key not in done]
            shown.setdefault(pair.target.key, []).append((pair, rows))
        clean: dict[str, list[tuple[AdaptedClean, list[Candidate]]]] = {}
        for each in adapted_clean(pairs):
            key = each.target.key
            done = done_adapted(self._db, key, each.adaptation, retry_errors=self._retry)
            attacked = {row.image: row for cell in each.sources for row in found[cell.key]}
            rows = [row for row in attacked.values() if row.key not in done]
            clean.setdefault(key, []).append((each, rows))
        return [
            Task(members[0][0].target, members, clean.get(key, []))
            for key, members in shown.items()
        ]

    def _candidates(self, cell: Cell) -> list[Candidate]:
        """The candidates of the plan's images."""
        wanted = {self._keys[image.id] for image in cell.images}
        found = candidates(self._db, cell.key)
        return [row for row in found if row.key in wanted]

    def _count_settled(self, sources: Sequence[Cell], tasks: Sequence[Task]) -> None:
        """What was announced and turned out to be nothing to do counts as done."""
        chosen = {cell.key for cell in sources}
        most = sum(
            count
            for each, count in self._announced
            if (each.source if isinstance(each, Pair) else each.sources[0]).key in chosen
        )
        self._progress.advance(images=max(0, most - sum(task.images for task in tasks)))

    def _by_residency(self, tasks: list[Task]) -> list[Task]:
        """Models in memory first, the last used one before all."""
        resident = {name: place for place, name in enumerate(self._models.resident)}
        return sorted(tasks, key=lambda task: -resident.get(task.target.model.name, -1))
