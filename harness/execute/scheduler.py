"""The scheduler: which worker does which images next. No clock, no torch, no database.

Work is in queues, one for each task group: a model's clean predictions, an attack with its goals, a
measurement, or what was made for other models. A worker that has nothing to do is given a lease:
some of one queue's items, which are its own until they are stored, or until it is lost. So an item
is stored once, whatever becomes of workers.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Item = Hashable
"""An image, or a few saved examples, to be done by one worker."""

LONGEST = 60.0
"""Seconds of work in a lease, about, where other workers could do a part of it."""
SHORTEST = 1.0
"""Seconds of work that are not shared out any further."""
LOADING = 5.0
"""Seconds until a worker that does not have a model in memory is ready to work on it, about."""


@dataclass(eq=False, slots=True, kw_only=True)
class Queue:
    """The items of a task group that wait for a worker.

    Attributes:
        stage: queues of a lower one come first, whichever model they are of.
        cost: seconds of an item, about.
        batch: items that a worker does side by side in hardly more time than one of them.
        expected: items that are still to come, once what they need is stored.
        waiting: in their order.
        isolated: items that a worker was lost with, in smaller and smaller leases of their own,
            to find the one that it was lost to; they come last.
    """

    model: str
    cost: float
    stage: int = 0
    batch: int = 1
    expected: int = 0
    waiting: dict[Item, None] = field(default_factory=dict)
    isolated: deque[tuple[Item, ...]] = field(default_factory=deque)

    @property
    def is_ready(self) -> bool:
        """Whether there is anything to do now."""
        return bool(self.waiting or self.isolated)

    @property
    def ready(self) -> float:
        """Seconds of what can be done now."""
        return self.cost * (len(self.waiting) + sum(map(len, self.isolated)))

    @property
    def left(self) -> float:
        """Seconds of what is in no lease."""
        return self.ready + self.cost * self.expected

    def open(self, items: Iterable[Item], *, settled: int = 0) -> None:
        """Some of the expected items can be done now; ``settled`` others need not be."""
        before = len(self.waiting)
        self.waiting.update(dict.fromkeys(items))
        self.expected = max(0, self.expected - settled - len(self.waiting) + before)

    def clear(self) -> None:
        """Nothing more of it is to be done."""
        self.expected = 0
        self.waiting.clear()
        self.isolated.clear()


@dataclass(frozen=True, slots=True)
class Lease:
    """Items that a worker is to do.

    Attributes:
        then: the model that the worker will need next, where that is certain enough to load it.
    """

    worker: int
    queue: Queue
    items: tuple[Item, ...]
    then: str | None = None


@dataclass(slots=True)
class _Worker:
    """A worker, the models in its memory, and what it is at."""

    models: Collection[str] = ()
    lease: Lease | None = None
    left: dict[Item, None] = field(default_factory=dict)


class Scheduler:
    """Gives leases to workers.

    Args:
        queues: in the order of the plan.
        loading: seconds that it takes to load a model, by name; `LOADING` where it is not known.
        whole: there will only ever be one worker, so that leases are as large as they can be.
    """

    def __init__(
        self,
        queues: Sequence[Queue],
        *,
        loading: Mapping[str, float] | None = None,
        whole: bool = False,
    ) -> None:
        self._queues: dict[str, list[Queue]] = {}
        for queue in queues:
            self._queues.setdefault(queue.model, []).append(queue)
        self._place = {name: number for number, name in enumerate(self._queues)}
        self._loading, self._whole = loading or {}, whole
        self._workers: dict[int, _Worker] = {}
        self._active = Counter[str]()
        """How many workers are at each model."""

    @property
    def idle(self) -> list[int]:
        """The workers that have nothing to do, in the order in which they joined."""
        return [number for number, worker in self._workers.items() if worker.lease is None]

    @property
    def workers(self) -> int:
        return len(self._workers)

    @property
    def is_ready(self) -> bool:
        """Whether there is anything that a worker could be given."""
        return any(queue.is_ready for queues in self._queues.values() for queue in queues)

    @property
    def is_busy(self) -> bool:
        """Whether any worker is at work."""
        return any(worker.lease is not None for worker in self._workers.values())

    def join(self, worker: int) -> None:
        """There is a new worker."""
        self._workers[worker] = _Worker()

    def lease(self, worker: int) -> Lease | None:
        """What an idle worker does next; None: nothing that is worth its while, for now."""
        queue = self._chosen(worker)
        if queue is None:
            return None
        items = self._cut(queue)
        lease = Lease(worker, queue, items, self._then(queue))
        mine = self._workers[worker]
        mine.lease, mine.left = lease, dict.fromkeys(items)
        self._active[queue.model] += 1
        if queue.model not in mine.models:
            mine.models = (*mine.models, queue.model)
        return lease

    def holds(self, worker: int, models: Collection[str]) -> None:
        """The models that are in the worker's memory now."""
        self._workers[worker].models = models

    def of(self, worker: int) -> Lease:
        """The lease of a worker that is at work."""
        lease = self._workers[worker].lease
        assert lease is not None
        return lease

    def has(self, worker: int) -> bool:
        """Whether it is one of the workers, and at work."""
        return worker in self._workers and self._workers[worker].lease is not None

    def stored(self, worker: int, items: Iterable[Item]) -> None:
        """Items of the worker's lease are stored."""
        for item in items:
            self._workers[worker].left.pop(item, None)

    def done(self, worker: int) -> tuple[Item, ...]:
        """The worker has ended its lease; what of it was not stored, and is not done again."""
        mine = self._workers[worker]
        assert mine.lease is not None
        left = tuple(mine.left)
        self._active[mine.lease.queue.model] -= 1
        mine.lease, mine.left = None, {}
        return left

    def lost(self, worker: int, suspects: Collection[Item] | None = None) -> Item | None:
        """The worker is gone; what of its lease is not stored is to be done again.

        Args:
            suspects: what it may have been lost to; None: any of the items.

        Returns: the item that it was lost to, if that is certain: it is `isolate`d by the caller,
        or given up.
        """
        mine = self._workers.pop(worker)
        if mine.lease is None:
            return None
        queue, left = mine.lease.queue, list(mine.left)
        self._active[queue.model] -= 1
        chosen = [item for item in left if suspects is None or item in suspects]
        others = [item for item in left if suspects is not None and item not in suspects]
        queue.waiting = dict.fromkeys([*others, *queue.waiting])
        if len(chosen) == 1:
            return chosen[0]
        middle = len(chosen) // 2
        for half in (chosen[:middle], chosen[middle:]):
            if half:
                queue.isolated.append(tuple(half))
        return None

    def isolate(self, queue: Queue, item: Item) -> None:
        """Do the item in a lease of its own, after the others."""
        queue.isolated.append((item,))

    def _chosen(self, worker: int) -> Queue | None:
        """The first of the queues that come first, of the model that is most urgent.

        A model in the worker's memory comes before others; one that is not is loaded where nobody
        is at it, or where it is worth that.
        """
        ready = [queue for queues in self._queues.values() for queue in queues if queue.is_ready]
        held = self._workers[worker].models
        for stage in sorted({queue.stage for queue in ready}):
            queues = {queue.model: queue for queue in reversed(ready) if queue.stage == stage}
            models = [model for model in queues if model in held]
            models = models or [model for model in queues if self._is_worth_loading(model)]
            if models:
                return queues[max(models, key=self._urgency)]
        return None

    def _urgency(self, model: str) -> tuple[float, int]:
        """How long a model would take its workers and one more; one worker goes by the plan."""
        share = 0.0 if self.workers == 1 else self._left(model) / (self._active[model] + 1)
        return share, -self._place[model]

    def _is_worth_loading(self, model: str) -> bool:
        active = self._active[model]
        ready = sum(queue.ready for queue in self._queues[model])
        return not active or ready / (active + 1) > self._loading.get(model, LOADING)

    def _cut(self, queue: Queue) -> tuple[Item, ...]:
        """Items for a lease: fewer the less is left for each of those who could do them."""
        if not queue.waiting:
            return queue.isolated.popleft()
        count = len(queue.waiting)
        if not self._whole:
            sharing = self._sharing(queue.model)
            each, cost = count / sharing, max(queue.cost, 1e-9)
            size = each if sharing == 1 else max(each / 2, min(each, queue.batch))
            size = min(max(size, SHORTEST / cost), max(LONGEST / cost, queue.batch))
            count = max(1, min(count, math.ceil(size)))
        items = tuple(itertools.islice(queue.waiting, count))
        for item in items:
            del queue.waiting[item]
        return items

    def _sharing(self, model: str) -> int:
        """How many workers will do the model's work, if all of them are busy to the end."""
        everything = sum(map(self._left, self._queues)) or 1.0
        fair = self.workers * self._left(model) / everything
        return max(1, self._active[model], round(fair))

    def _then(self, queue: Queue) -> str | None:
        """With one worker, the model after this one."""
        if self.workers > 1:
            return None
        others = [
            each
            for queues in self._queues.values()
            for each in queues
            if each.model != queue.model and each.left
        ]
        return min(others, key=lambda each: each.stage).model if others else None

    def _left(self, model: str) -> float:
        """Seconds of the model's work that is in no lease."""
        return sum(queue.left for queue in self._queues[model])
