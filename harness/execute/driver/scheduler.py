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
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Item = Hashable
"""An image, or a few saved examples, to be done by one worker."""

LONGEST = 60.0
"""Seconds of work in a lease, about, where other workers could do a part of it."""
PART = 8
"""Where much is left, a lease is the worker's share of it divided by this, if that is more."""
PLENTY = 4
"""Batches of work for each of a model's workers, from which on none has less than one."""
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
        after: seconds of what can only be done after an item, at least.
        expected: items that are still to come, once what they need is stored.
        waiting: in their order.
        isolated: items that a worker was lost with, in smaller and smaller leases of their own,
            to find the one that it was lost to; they come last.
        is_cleared: whether nothing more of it is to be done, whatever is lost.
        changed: the models of queues that have changed; the scheduler's.
    """

    model: str
    cost: float
    stage: int = 0
    batch: int = 1
    after: float = 0.0
    expected: int = 0
    waiting: dict[Item, None] = field(default_factory=dict)
    isolated: deque[tuple[Item, ...]] = field(default_factory=deque)
    is_cleared: bool = False
    changed: set[str] = field(default_factory=set)

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

    @property
    def span(self) -> float:
        """Seconds from the beginning of an item to the end of all that waits for it, at least."""
        return self.cost * self.batch + self.after

    def open(self, items: Iterable[Item], *, settled: int = 0) -> None:
        """Some of the expected items can be done now; ``settled`` others need not be."""
        if self.is_cleared:
            return
        before = len(self.waiting)
        self.waiting.update(dict.fromkeys(items))
        self.expected = max(0, self.expected - settled - len(self.waiting) + before)
        self.changed.add(self.model)

    def clear(self) -> None:
        """Nothing more of it is to be done."""
        self.expected, self.is_cleared = 0, True
        self.waiting.clear()
        self.isolated.clear()
        self.changed.add(self.model)

    def take(self, count: int) -> tuple[Item, ...]:
        """The first ``count`` that wait, or else some that were isolated."""
        self.changed.add(self.model)
        if not self.waiting:
            return self.isolated.popleft()
        items = tuple(itertools.islice(self.waiting, count))
        for item in items:
            del self.waiting[item]
        return items

    def put_back(self, items: Iterable[Item], apart: Iterable[tuple[Item, ...]] = ()) -> None:
        """These were not done: ``items`` come first; each of ``apart`` has a lease of its own."""
        if not self.is_cleared:
            self.waiting = dict.fromkeys([*items, *self.waiting])
            self.isolated.extend(each for each in apart if each)
            self.changed.add(self.model)


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


@dataclass(slots=True)
class _Left:
    """What is left of a model in one stage, in seconds.

    Attributes:
        first: the queue that comes first, of those that have anything ready.
    """

    left: float = 0.0
    ready: float = 0.0
    first: Queue | None = None


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
        self._changed = set(self._queues)
        for queue in queues:
            queue.changed = self._changed
        self._stages: dict[int, dict[str, _Left]] = {}
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
        if self.workers <= 2:  # one worker goes by the plan
            self._changed.update(self._queues)

    def leases(self) -> Iterator[Lease]:
        """What all idle workers do next, those that there is something for."""
        for worker in self.idle:
            if lease := self.lease(worker):
                yield lease

    def lease(self, worker: int) -> Lease | None:
        """What an idle worker does next; None: nothing that is worth its while, for now."""
        self._look()
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
        mine = self._workers.pop(worker, None)
        if mine is None or mine.lease is None:
            return None
        queue, left = mine.lease.queue, list(mine.left)
        self._active[queue.model] -= 1
        if self.workers == 1:
            self._changed.update(self._queues)
        chosen = [item for item in left if suspects is None or item in suspects]
        others = [item for item in left if suspects is not None and item not in suspects]
        if len(chosen) == 1:
            queue.put_back(others)
            return None if queue.is_cleared else chosen[0]
        middle = len(chosen) // 2
        queue.put_back(others, (tuple(chosen[:middle]), tuple(chosen[middle:])))
        return None

    def isolate(self, queue: Queue, item: Item) -> None:
        """Do the item in a lease of its own, after the others."""
        queue.put_back((), [(item,)])

    def _look(self) -> None:
        """Bring what is left of each model up to date."""
        for model in sorted(self._changed):  # sums of floats depend on the order
            for models in self._stages.values():
                models.pop(model, None)
            for queue in self._queues[model]:
                if queue.is_ready or queue.expected:
                    found = self._stages.setdefault(queue.stage, {}).setdefault(model, _Left())
                    found.left += queue.left
                    found.ready += queue.ready
                    if queue.is_ready and self._comes_before(queue, found.first):
                        found.first = queue
        self._changed.clear()

    def _comes_before(self, queue: Queue, other: Queue | None) -> bool:
        """What takes longest begins first, so that what comes last ends together."""
        return other is None or (self.workers > 1 and queue.span > other.span)

    def _chosen(self, worker: int) -> Queue | None:
        """What the worker does next, of the lowest stage that has anything for it.

        Of the models in its memory the most urgent one, else of those that are worth loading.
        """
        held = self._workers[worker].models
        for _, found in sorted(self._stages.items()):
            models = {model: each.first for model, each in found.items() if each.first}
            wanted = [model for model in models if model in held]
            wanted = wanted or [model for model in models if self._is_wanted(model, found)]
            if wanted:
                return models[max(wanted, key=lambda model: self._urgency(model, found[model]))]
        return None

    def _urgency(self, model: str, found: _Left) -> tuple[float, int]:
        """How long a model would take its workers and one more; one worker goes by the plan."""
        share = 0.0 if self.workers == 1 else found.left / (self._active[model] + 1)
        return share, -self._place[model]

    def _is_wanted(self, model: str, stage: Mapping[str, _Left]) -> bool:
        """Whether one more worker should load the model.

        Nobody is at it; or it has fewer workers than its share of what is left in the stage, also
        of what cannot be done yet, and loading takes less time than is saved.
        """
        active, found = self._active[model], stage[model]
        if not active:
            return True
        fair = self.workers * found.left / sum(each.left for each in stage.values())
        saved = found.ready / (active + 1)
        return active < math.ceil(fair) and saved > self._loading.get(model, LOADING)

    def _cut(self, queue: Queue) -> tuple[Item, ...]:
        """Items for a lease: fewer the less is left for each of those who could do them."""
        count = len(queue.waiting)
        if count and not self._whole:
            sharing, own = self._sharing(queue.model)
            each, cost = count / sharing, max(queue.cost, 1e-9)
            # While there is enough for all, no worker has less than a batch.
            least = queue.batch if own > PLENTY * cost * queue.batch else min(each, queue.batch)
            part = LONGEST if sharing == 1 else min(own / 2, LONGEST)
            seconds = max(part, own / PART, SHORTEST)
            count = max(1, min(count, math.ceil(max(seconds / cost, least))))
        return queue.take(count)

    def _sharing(self, model: str) -> tuple[int, float]:
        """How many workers will do the model's work if all are busy to the end, and each's share.

        The share is in seconds.
        """
        everything = sum(each.left for stage in self._stages.values() for each in stage.values())
        own = sum(stage[model].left for stage in self._stages.values() if model in stage)
        fair = self.workers * own / (everything or 1.0)
        sharing = max(1, self._active[model], round(fair))
        return sharing, own / sharing

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
