"""Transfers: the saved examples of every model on every model of the plan, target by target."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from harness.execute.driver import drive
from harness.execute.executors.executor import Executor
from harness.execute.pending import AdaptedClean, Forwards, adapted_clean
from harness.execute.session import Session
from harness.execute.transfer_turn import Showing, TransferTurn
from harness.planning import Cell, Pair
from harness.store.read.candidates import Candidate, candidates
from harness.store.read.pending import done_adapted, done_transfers, failed_transfers


class Transfers:
    """Finds out what targets have yet to see, and has them see it.

    Args:
        announced: the plan's transfers, with the images of each part as they were announced.
        ended: called with each target's turn that is over.

    Attributes:
        computed: predictions that were stored.
    """

    def __init__(
        self,
        session: Session,
        announced: Sequence[tuple[Forwards, int]],
        ended: Callable[[TransferTurn], None],
    ) -> None:
        self._session, self._plan = session, session.resolved.plan
        self._ended = ended
        self._db, self._announced = session.writer.db, announced
        self._retry = session.settings.retry_errors
        self._missing: Counter[str] = Counter()
        self._dropped: list[int] = []
        self.computed = 0

    def do(self, sources: Sequence[Cell], executor: Executor) -> None:
        """Show the candidates of ``sources``, attack cells, to every model of the plan."""
        tasks = self._tasks(sources)
        self._count_settled(sources, tasks)
        tasks = _by_residency([task for task in tasks if task.images], executor.resident)
        for task in tasks:
            self._missing[task.target.model.name] += task.images
        busy = [readable for task in tasks if (readable := task.readable).images]
        following = [task.target.model.name for task in busy[1:]] if executor.slots == 1 else []
        turns = [
            TransferTurn(self._session, task, after)
            for task, after in itertools.zip_longest(busy, following)
        ]
        drive(turns, executor, self._count)

    def _count(self, turn: TransferTurn) -> None:
        self.computed += turn.computed
        self._missing[turn.model] -= turn.computed
        self._ended(turn)

    def stream(self, sources: Sequence[Cell], executor: Executor) -> None:
        """As `do`; then the sets of ``sources`` are dropped."""
        self.do(sources, executor)
        for cell in sources:
            kept = sum(row.file is not None for row in candidates(self._db, cell.key))
            self._dropped += [kept] if kept else []
        self._session.writer.drop_sets(cell.key for cell in sources)

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

    def _tasks(self, sources: Sequence[Cell]) -> list[Showing]:
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
            Showing(members[0][0].target, members, clean.get(key, []))
            for key, members in shown.items()
        ]

    def _candidates(self, cell: Cell) -> list[Candidate]:
        """The candidates of the plan's images."""
        wanted = {self._session.images.keys[image.id] for image in cell.images}
        found = candidates(self._db, cell.key)
        return [row for row in found if row.key in wanted]

    def _count_settled(self, sources: Sequence[Cell], tasks: Sequence[Showing]) -> None:
        """What was announced and turned out to be nothing to do counts as done."""
        chosen = {cell.key for cell in sources}
        most = sum(
            count
            for each, count in self._announced
            if (each.source if isinstance(each, Pair) else each.sources[0]).key in chosen
        )
        self._session.progress.advance(images=max(0, most - sum(task.images for task in tasks)))


def _by_residency(tasks: list[Showing], models: Sequence[str]) -> list[Showing]:
    """Models in memory first, the last used one before all."""
    resident = {name: place for place, name in enumerate(models)}
    return sorted(tasks, key=lambda task: -resident.get(task.target.model.name, -1))
