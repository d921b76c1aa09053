"""How long a run takes on many devices: the scheduler itself, and a clock that only counts.

What is left out: reading images, sending and storing results, the later parts of measurements that
need no model, and whatever makes a device slower than another. Pure: no torch, no database.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.execute.driver.costs import CHUNK, Costs
from harness.execute.driver.queues import Queues, queues_of, starting_attack
from harness.execute.driver.scheduler import Item, Lease, Queue, Scheduler
from harness.execute.pending import AdaptedClean, Pending
from harness.execute.shards import task_groups
from harness.planning import Cell, Plan

LOOKS = 8
"""Into how many parts the clean predictions of a lease are divided, which others wait for."""

Lengths = Callable[[Queue, Item], float]
"""How many times as long as expected an item takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Makespan:
    """What became of a run on ``devices`` devices, in seconds.

    Attributes:
        seconds: from its beginning to its end.
        work: of all items, where each shares its passes with as many as there can be; no loading.
        chain: the longest of the sequences that no number of devices makes shorter: a model is
            loaded, an image is predicted, then attacked or measured, alone; and then measured
            from where the attack led, or shown to a target, which is loaded too.
        busy: of all devices together, loading and half-empty passes included.
        loads: how often a device loaded a model, which it then kept.
        leases: how many there were.
    """

    devices: int
    seconds: float
    work: float
    chain: float
    busy: float
    loads: int
    leases: int

    @property
    def bound(self) -> float:
        """No scheduler takes less."""
        return max(self.work / self.devices, self.chain)

    @property
    def efficiency(self) -> float:
        """Of all devices' time, the share that the work itself takes."""
        return self.work / (self.devices * self.seconds) if self.seconds else 1.0

    def document(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "devices": self.devices,
            "seconds": self.seconds,
            "bound_seconds": self.bound,
            "efficiency": self.efficiency,
            "loads": self.loads,
        }

    @property
    def idle(self) -> float:
        """Of all devices' time, the share in which they had nothing to do."""
        return 1 - self.busy / (self.devices * self.seconds) if self.seconds else 0.0


def makespan(
    plan: Plan, left: Pending, costs: Costs, devices: int, *, lengths: Lengths | None = None
) -> Makespan:
    """Predict a run of what is ``left`` of a plan on ``devices`` devices, each with one worker.

    Args:
        lengths: where the items do not take what is expected; the scheduler is not told.
    """
    queues = queues_of(plan, left, costs)
    work = _Work(plan, left, queues)
    clock = _Clock(work, Scheduler(queues.all, loading=costs.loading), costs, lengths)
    seconds = clock.run(devices)
    return Makespan(
        devices=devices,
        seconds=seconds,
        work=clock.work,
        chain=_chain(work, queues, costs, clock.alone),
        busy=clock.busy,
        loads=clock.loads,
        leases=clock.leases,
    )


@dataclass(eq=False, slots=True)
class _Group:
    """A task group of a model.

    Attributes:
        waiting: images that something has to be stored for; ``left``: those that are not stored.
        follows: groups that wait for all of it.
    """

    queue: Queue
    cells: Sequence[Cell]
    waiting: dict[str, None]
    left: int
    follows: list[_Group] = field(default_factory=list)
    is_free: bool = True


class _Work:
    """The items of a plan, and what waits for what: as `ModelWork` and `Transfers` have it.

    Attributes:
        groups: by queue; those of targets are none of them.
        models: each one's groups, the clean one first.
        is_clean: the queues of clean predictions.
    """

    def __init__(self, plan: Plan, left: Pending, queues: Queues) -> None:
        self.groups: dict[Queue, _Group] = {}
        self.is_clean: set[Queue] = set()
        self.models: dict[str, list[_Group]] = {}
        self._streams = plan.transfer is not None and not plan.transfer.keep_sets
        self._targets, self._chunk = queues.targets, itertools.count()
        self._parts: dict[str, list[tuple[str, int]]] = {}
        self.shown: set[str] = set()
        for part, count in left.transfers:
            if not count:
                continue
            source = part.sources[0] if isinstance(part, AdaptedClean) else part.source
            self._parts.setdefault(source.key, []).append((part.target.key, -(-count // CHUNK)))
        for model in plan.models:
            clean, *others = self._made(plan, left, model.name, queues)
            predicted = clean.waiting
            self._open(clean, list(predicted))
            for group in others:
                self._open(group, [image for image in group.waiting if image not in predicted])
            for group in (clean, *others):
                if not group.left:
                    self._over(group)

    def stored(self, queue: Queue, items: Sequence[Item]) -> None:
        """Items are done: what waited for them can be."""
        group = self.groups.get(queue)
        if group is None:
            return
        group.left -= len(items)
        if queue in self.is_clean:
            for other in self.models[queue.model]:
                self._open(other, items)
        if not group.left:
            self._over(group)

    def _made(self, plan: Plan, left: Pending, model: str, queues: Queues) -> list[_Group]:
        cells = [cell for cell in plan.cells if cell.model.name == model]
        found: list[_Group] = []
        for members, queue in zip(task_groups(cells), queues.cells[model], strict=True):
            images = dict.fromkeys(image for cell in members for image in left.cells[cell.key])
            group = _Group(queue, members, images, len(images))
            found.append(group)
            self.groups[queue] = group
            start = starting_attack(members)
            for other in found:
                attack = other.cells[0].attack
                if attack is not None and attack.label == start and other.left:
                    other.follows.append(group)
                    group.is_free = False
        self.models[model] = found
        self.is_clean.add(found[0].queue)
        return found

    def _open(self, group: _Group, images: Iterable[Item]) -> None:
        """What these images need is stored, but for what a whole attack has to end for."""
        if group.is_free:
            found = [image for image in images if image in group.waiting]
            for image in found:
                del group.waiting[str(image)]
            group.queue.open(found)

    def _over(self, group: _Group) -> None:
        own = self.models[group.queue.model]
        clean = own[0]
        for other in group.follows:
            other.is_free = True
            self._open(other, [image for image in other.waiting if image not in clean.waiting])
        if not self._streams:
            self._show(group.cells)
        elif not any(each.left for each in own):
            self._show([cell for each in own for cell in each.cells])

    def _show(self, sources: Sequence[Cell]) -> None:
        for cell in sources:
            for target, chunks in self._parts.pop(cell.key, ()):
                self.shown.add(cell.key)
                self._targets[target].open(next(self._chunk) for _ in range(chunks))


class _Clock:
    """Has workers do leases, in no time.

    Attributes:
        alone: seconds of the longest item of each queue that had any, for a worker that has none
            beside it. See `Makespan` for the others.
    """

    def __init__(
        self, work: _Work, scheduler: Scheduler, costs: Costs, lengths: Lengths | None
    ) -> None:
        self._work, self._scheduler = work, scheduler
        self._costs, self._lengths = costs, lengths
        self._events: list[tuple[float, int, int, Sequence[Item], bool]] = []
        """(when, number, worker, what is stored, whether its lease is over)."""
        self._number = itertools.count()
        self._loaded: set[tuple[int, str]] = set()
        self.work, self.busy, self.loads, self.leases = 0.0, 0.0, 0, 0
        self.alone: dict[Queue, float] = {}

    def run(self, devices: int) -> float:
        """When the last lease was over."""
        scheduler, now = self._scheduler, 0.0
        for worker in range(devices):
            scheduler.join(worker)
        self._offer(now)
        while self._events:
            now, _, worker, items, is_last = heapq.heappop(self._events)
            queue = scheduler.of(worker).queue
            scheduler.stored(worker, items)
            self._work.stored(queue, items)
            if is_last:
                scheduler.done(worker)
            self._offer(now)
        assert not scheduler.is_ready
        return now

    def _offer(self, now: float) -> None:
        for lease in self._scheduler.leases():
            self.leases += 1
            self._begin(lease, now)

    def _begin(self, lease: Lease, now: float) -> None:
        queue, items = lease.queue, lease.items
        rounds, total, longest = float(max(len(items), queue.batch)), float(len(items)), 1.0
        if self._lengths is not None:
            lengths = [self._lengths(queue, item) for item in items]
            rounds, total, longest = _rounds(lengths, queue.batch), math.fsum(lengths), max(lengths)
        start, place = now, (lease.worker, queue.model)
        if place not in self._loaded:
            self._loaded.add(place)
            self.loads += 1
            start += self._costs.loading[queue.model]
        seconds = queue.cost * rounds
        alone = queue.cost * queue.batch * longest
        self.alone[queue] = max(alone, self.alone.get(queue, 0.0))
        self.work += queue.cost * total
        self.busy += start - now + seconds
        parts = min(LOOKS, len(items)) if queue in self._work.is_clean else 1
        for number in range(1, parts + 1):
            share = items[(number - 1) * len(items) // parts : number * len(items) // parts]
            event = (start + seconds * number / parts, next(self._number), lease.worker, share)
            heapq.heappush(self._events, (*event, number == parts))


def _rounds(lengths: Sequence[float], batch: int) -> float:
    """How long a lease takes, where an item among many takes 1 for each of its length.

    All are at work side by side, and fewer than ``batch`` are no faster than that many.
    """
    total, before = 0.0, 0.0
    for number, length in enumerate(sorted(lengths)):
        total += (length - before) * max(len(lengths) - number, batch)
        before = length
    return total


def _chain(work: _Work, queues: Queues, costs: Costs, alone: Mapping[Queue, float]) -> float:
    """See `Makespan`. A target counts with one image, and as loaded: others may have done that."""
    shown = max((costs.forwards[queue.model] for queue in queues.targets.values()), default=0.0)
    longest = 0.0
    for model, (clean, *others) in work.models.items():
        start = costs.loading[model] + alone.get(clean.queue, 0.0)
        for group in (clean, *others):
            own = alone.get(group.queue, 0.0)
            after = max((alone.get(each.queue, 0.0) for each in group.follows), default=0.0)
            seen = shown if any(cell.key in work.shown for cell in group.cells) else 0.0
            if own or after:
                longest = max(longest, start + own + max(after, seen))
    return longest
