"""10,000 seeded faults: every item is stored once, and only deadly ones are given up."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from harness.execute.driver.scheduler import Item, Lease, Queue, Scheduler
from harness.execute.journal import DEATHS

FAULTS = 10_000
Place = tuple[int, Item]
"""(number of its queue, item)."""


@dataclass
class World:
    """A run of one driver after the other, on queues of two kinds: the items of the first one of a
    model open those of its others. What is stored outlives a driver; so do deaths, as a journal.

    Attributes:
        deadly: items that kill any worker that is at them.
        strict: workers are lost to deadly items alone.
        losses: workers that each deadly item has cost.
        drivers: how many there were.
    """

    random: random.Random
    deadly: set[Place]
    sizes: list[tuple[str, int]]
    strict: bool
    stored: Counter[Place] = field(default_factory=Counter)
    condemned: set[Place] = field(default_factory=set)
    deaths: Counter[Place] = field(default_factory=Counter)
    losses: Counter[Place] = field(default_factory=Counter)
    drivers: int = 0
    faults: int = 0
    number: int = 0

    def boot(self) -> None:
        """A new driver, from what is stored."""
        self.drivers += 1
        self.queues = [
            Queue(
                model=model,
                cost=self.random.choice([0.01, 0.3, 2.0, 100.0]),
                stage=self.random.choice([0, 0, 1]),
                batch=self.random.choice([1, 4, 16]),
                after=self.random.choice([0.0, 10.0]),
                expected=sum(not self.stored[number, item] for item in range(size)),
            )
            for number, (model, size) in enumerate(self.sizes)
        ]
        self.scheduler = Scheduler(self.queues, whole=self.random.random() < 0.1)
        self.done_by: dict[int, list[Item]] = {}
        for number, queue in enumerate(self.queues):
            first = self.first_of(queue.model)
            for item in range(self.sizes[number][1]):
                if number == first or self.stored[first, item]:
                    self.open(number, item)
        for _ in range(self.random.randint(1, 5)):
            self.join()

    def first_of(self, model: str) -> int:
        return next(number for number, (name, _) in enumerate(self.sizes) if name == model)

    def open(self, number: int, item: Item) -> None:
        if not self.stored[number, item]:
            if self.deaths[number, item]:
                self.queues[number].open((), settled=1)
                self.scheduler.isolate(self.queues[number], item)
            else:
                self.queues[number].open([item])

    def join(self) -> None:
        self.number += 1
        self.scheduler.join(self.number)

    def store(self, worker: int, items: Collection[Item]) -> None:
        number = self.queues.index(self.scheduler.of(worker).queue)
        for item in items:
            self.settle(number, item)
        self.scheduler.stored(worker, items)
        if self.random.random() < 0.2:
            self.scheduler.stored(worker, items)  # reported twice

    def settle(self, number: int, item: Item) -> None:
        self.stored[number, item] += 1
        assert self.stored[number, item] == 1, "stored twice"
        model = self.sizes[number][0]
        if number == self.first_of(model):
            for other, (name, size) in enumerate(self.sizes):
                if name == model and other != number and item in range(size):
                    self.open(other, item)

    def lose(self, worker: int, suspects: Collection[Item] | None) -> None:
        self.faults += 1
        lease = self.scheduler.of(worker) if self.scheduler.has(worker) else None
        culprit = self.scheduler.lost(worker, suspects)
        assert worker not in self.scheduler.idle
        assert not self.scheduler.has(worker)
        if self.random.random() < 0.2:
            self.faults += 1
            assert self.scheduler.lost(worker, suspects) is None, "lost once"
        if culprit is not None and lease is not None:
            place = self.queues.index(lease.queue), culprit
            self.deaths[place] += 1
            if self.deaths[place] < DEATHS:
                self.scheduler.isolate(lease.queue, culprit)
            else:
                self.condemned.add(place)
                self.settle(*place)

    def step(self) -> None:
        """A worker stores something or dies; or something else happens."""
        scheduler, dice = self.scheduler, self.random.random()
        for lease in scheduler.leases():
            assert lease.items
            self.done_by[lease.worker] = list(lease.items)
        busy = [worker for worker in self.done_by if scheduler.has(worker)]
        assert busy or not scheduler.is_ready or not scheduler.workers, "nobody is given anything"
        if not scheduler.workers or dice < 0.03:
            self.join()
        elif dice < 0.04:
            self.faults += 1
            self.boot()
        elif dice < 0.06 and scheduler.idle:
            self.lose(self.random.choice(scheduler.idle), None)
        elif busy:
            self.work(self.random.choice(busy))

    def work(self, worker: int) -> None:
        """Some of the lease's items, in their order, a batch at a time."""
        lease, left = self.scheduler.of(worker), self.done_by[worker]
        number = self.queues.index(lease.queue)
        batch = left[: self.random.randint(1, max(1, len(left)))]
        killers = [item for item in batch if (number, item) in self.deadly]
        if killers:
            for item in killers:
                self.losses[number, item] += 1
            self.store(worker, left[: self.random.randint(0, left.index(killers[0]))])
            named: list[Collection[Item] | None] = [None, batch, killers[:1], lease.items]
            self.lose(worker, self.random.choice(named))
        elif not self.strict and self.random.random() < 0.3:
            harmless = [item for item in left if (number, item) not in self.deadly]
            self.store(worker, self.random.sample(harmless, self.random.randint(0, len(harmless))))
            named = [None, (), batch, [*batch, "another's"]]
            self.lose(worker, self.random.choice(named))
        else:
            self.store(worker, batch)
            del left[: len(batch)]
            if not left:
                assert self.scheduler.done(worker) == ()

    def is_over(self) -> bool:
        return not self.scheduler.is_ready and not self.scheduler.is_busy


def world(seed: int) -> World:
    dice = random.Random(seed)
    sizes = [
        (model, dice.choice([0, 1, 7, 40])) for model in "ab" for _ in range(dice.randint(1, 3))
    ]
    places = [(number, item) for number, (_, size) in enumerate(sizes) for item in range(size)]
    deadly = set(dice.sample(places, min(len(places), dice.choice([0, 1, 1, 2, 4]))))
    return World(dice, deadly, sizes, strict=dice.random() < 0.5)


def test_whatever_is_lost_every_item_is_stored_once():
    faults, searches, seed = 0, 0, 0
    while faults < FAULTS:
        seed += 1
        run = world(seed)
        run.boot()
        while not run.is_over():
            run.step()
        sizes = {
            (number, item): 1
            for number, (model, size) in enumerate(run.sizes)
            for item in range(size)
            if number == run.first_of(model) or item < run.sizes[run.first_of(model)][1]
        }
        assert run.stored == sizes, f"seed {seed}"
        assert not any(queue.is_ready for queue in run.queues)
        assert run.deadly & sizes.keys() <= run.condemned, f"seed {seed}"
        if run.strict:
            assert run.condemned <= run.deadly, f"seed {seed}: an innocent item"
        if run.strict and run.drivers == len(run.deadly) == 1:
            most = math.ceil(math.log2(max(size for _, size in run.sizes))) + DEATHS
            assert max(run.losses.values(), default=0) <= most, f"seed {seed}: {run.losses}"
            searches += len(run.losses)
        faults += run.faults
    assert searches > 20, "driver and workers were there to the end"


def test_a_deadly_item_is_found_by_halving():
    for size in (1, 2, 3, 100, 1000):
        for culprit in {0, size // 3, size - 1}:
            queue = Queue(model="m", cost=0.001, batch=1000)
            queue.open(range(size))
            scheduler = Scheduler([queue])
            losses, deaths, worker, stored = 0, 0, 0, set[Item]()
            while scheduler.is_ready:
                worker += 1
                scheduler.join(worker)
                lease = scheduler.lease(worker)
                assert isinstance(lease, Lease)
                if culprit not in lease.items:
                    assert not stored & set(lease.items)
                    stored.update(lease.items)
                    scheduler.stored(worker, lease.items)
                    scheduler.done(worker)
                    continue
                losses += 1
                if (found := scheduler.lost(worker)) is not None:
                    assert found == culprit
                    deaths += 1
                    if deaths < DEATHS:
                        scheduler.isolate(queue, found)
            assert deaths == DEATHS
            assert stored == set(range(size)) - {culprit}
            assert losses <= math.ceil(math.log2(size)) + DEATHS if size > 1 else DEATHS
