"""The driver with an executor and groups of the test's own: order, losses, what is broken off."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest

from harness.api import (
    Alive,
    Call,
    Devices,
    Done,
    Executor,
    HarnessError,
    Joined,
    Lost,
    Placement,
    PluginError,
    Refused,
    Started,
    Yielded,
)
from harness.execute.driver.crew import Crew
from harness.execute.driver.driver import Driver, FailFast
from harness.execute.driver.scheduler import Queue, Scheduler
from harness.execute.driver.watchdog import ABSENT, Watchdog
from harness.execute.events import Began
from harness.execute.journal import DEATHS


class Group:
    """A task group that keeps what it is given; ``deadly`` items kill whoever is at them."""

    def __init__(self, model: str, items: Sequence[str], deadly: Sequence[str] = ()) -> None:
        self.model = self.task = model
        self.queue = Queue(model=model, cost=10.0)
        self.queue.open(items)
        self.deadly = deadly
        self.stored: list[str] = []
        self.condemned: list[str] = []
        self.deaths = dict.fromkeys(items, 0)
        self.log: list[str] = []
        self.reason: str | None = None

    def shard(self, lease):
        return lease.items

    def take(self, lease, event, device):
        if isinstance(event, Began):
            return ()
        self.stored.append(event)
        return [event]

    def done(self, lease):
        self.log.append("done")

    def lost(self, lease, said):
        self.log.append(said)

    def suspects(self, call):
        return None if call is None else {name for _, name in call.images}

    def blame(self, item, why):
        self.deaths[item] += 1
        if self.deaths[item] < DEATHS:
            return [item]
        self.condemned.append(item)
        return []

    def close_if_over(self):
        pass

    def broken_off(self, *, failed):
        self.log.append(f"broken off, {failed=}")


class Toy(Executor):
    """Workers that yield the items of their shard one by one, in turns.

    Args:
        deadly: items at which a worker dies; with ``tells`` the call is known.
        end: raised after so many reports.
    """

    def __init__(self, workers=1, deadly=(), *, tells=False, end=None, extra=(), silence=60.0):
        super().__init__(Placement(devices=Devices(), silence=silence))
        self.count, self.deadly, self.tells, self.end = workers, deadly, tells, end
        self.reports = deque(extra)
        self.shards: dict[int, deque] = {}
        self.dismissed: list[int] = []
        self.most = self.numbers = 0

    def start(self, program, source):
        for _ in range(self.count):
            self.hire()
        return Started(self.count)

    def hire(self):
        self.reports.append(Joined(self.numbers, "here", "cpu"))
        self.numbers += 1

    def submit(self, worker, shard):
        assert worker not in self.shards
        self.shards[worker] = deque([Began(8), *shard])
        self.most = max(self.most, len(self.shards))

    def next(self, timeout):
        if self.reports:
            return self.reports.popleft()
        if self.end is not None and (self.end[0] == 0 or not self.shards):
            raise self.end[1]
        if self.end is not None:
            self.end = (self.end[0] - 1, self.end[1])
        for worker, events in list(self.shards.items()):
            self.shards[worker] = self.shards.pop(worker)  # the others come first the next time
            if not events:
                del self.shards[worker]
                return Done(worker)
            event = events.popleft()
            if event in self.deadly:
                del self.shards[worker]
                self.hire()
                call = Call("an attack", [("cell", event)]) if self.tells else None
                return Lost(worker, "exit code 3", call)
            return Yielded(worker, event)
        return None

    def dismiss(self, worker, reason):
        self.dismissed.append(worker)
        self.reports.append(Lost(worker, reason))
        self.hire()

    def close(self):
        pass


def drive(executor: Toy, *groups: Group, watch=lambda members: None, say=lambda line: None):
    crew = Crew(executor, executor.start(None, None).workers, say)
    driver = Driver(crew, Scheduler([group.queue for group in groups]), groups, watch)
    driver.drive()
    return driver


ITEMS = [f"i{number}" for number in range(40)]


@pytest.mark.parametrize("workers", [1, 3])
def test_everything_is_stored_once(workers):
    groups = [Group("a", ITEMS), Group("b", ITEMS[:7]), Group("c", [])]
    executor = Toy(workers)
    drive(executor, *groups)
    assert [sorted(group.stored) for group in groups] == [sorted(ITEMS), ITEMS[:7], []]
    assert executor.most == workers


@pytest.mark.parametrize("tells", [False, True])
def test_one_deadly_item_is_found_and_no_other_is_blamed(tells):
    group = Group("a", ITEMS)
    drive(Toy(2, deadly=["i17"], tells=tells), group)
    assert group.condemned == ["i17"]
    assert sorted(group.stored) == sorted(set(ITEMS) - {"i17"})
    losses = [each for each in group.log if each.startswith("exit code 3")]
    assert len(losses) <= (DEATHS if tells else 8)


def test_a_worker_that_dies_before_the_work_begins_blames_no_item():
    group, executor = Group("a", ITEMS), Toy(1)
    submit, died = executor.submit, []

    def dies_once(worker, shard):
        if died:
            submit(worker, shard)
        else:
            died.append(worker)
            executor.hire()
            executor.reports.appendleft(Lost(worker, "killed"))

    executor.submit = dies_once
    drive(executor, group)
    assert group.log[0] == "killed"
    assert sorted(group.stored) == sorted(ITEMS)
    assert not any(group.deaths.values())


@pytest.mark.parametrize(
    ("error", "failed"),
    [(RuntimeError("disk"), True), (KeyboardInterrupt(), False), (FailFast("a"), False)],
)
def test_what_is_at_work_when_the_run_ends_is_broken_off(error, failed):
    groups = [Group("a", ITEMS), Group("b", ITEMS)]
    with pytest.raises(type(error)):
        drive(Toy(2, end=(5, error)), *groups)
    assert [group.log[-1] for group in groups] == 2 * [f"broken off, {failed=}"]


def test_work_begins_when_every_worker_is_ready_and_ends_where_one_cannot_work():
    group = Group("a", ITEMS)
    refused = Refused(7, "there", "torch 2.11.0 there, 2.15.0 here")
    with pytest.raises(PluginError, match=r"worker on there: torch 2\.11\.0"):
        drive(Toy(2, extra=[refused]), group)
    assert not group.stored


def test_what_a_lost_worker_still_says_is_not_stored():
    group, executor = Group("a", ITEMS), Toy(2, deadly=["i17"])
    following, late = executor.next, []

    def chatty(timeout):
        found = following(timeout)
        if isinstance(found, Lost) and not late:
            late.extend([Yielded(found.worker, "i18"), Done(found.worker)])
            executor.reports.extendleft(reversed(late))
        return found

    executor.next = chatty
    drive(executor, group)
    assert late
    assert sorted(group.stored) == sorted(set(ITEMS) - {"i17"})


def test_a_later_worker_gets_work_and_one_that_cannot_work_is_said_once():
    group, said, looks = Group("a", ITEMS), [], []
    executor = Toy(1)
    submit = executor.submit

    def submitting(worker, shard):
        submit(worker, shard)
        if not looks:
            looks.append(worker)
            executor.reports += [Refused(8, "old", "no"), Refused(9, "old", "no")]
            executor.hire()

    executor.submit = submitting
    drive(executor, group, say=said.append)
    assert said == ["a worker on old is left out: no"]
    assert executor.most == 2
    assert sorted(group.stored) == sorted(ITEMS)


def test_without_any_worker_the_run_ends_in_one_line():
    end = HarnessError("no worker is left")
    with pytest.raises(HarnessError, match="no worker is left"):
        drive(Toy(0, end=(0, end)), Group("a", ITEMS))


def test_a_worker_that_says_nothing_is_dismissed_and_its_work_done_by_another(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("harness.execute.driver.crew.Watchdog", lambda silence: watchdog)
    monkeypatch.setattr("harness.execute.driver.driver.LISTEN", 0.0)
    watchdog = Watchdog(30.0, lambda: clock[0])
    group, executor = Group("a", ITEMS), Toy(2)
    following = executor.next

    def hanging(timeout):
        clock[0] += 1
        events = executor.shards.get(0)
        if events is None:
            return following(timeout)
        del executor.shards[0]
        found = following(timeout)
        executor.shards[0] = events
        return Alive(1) if found is None else found

    executor.next = hanging
    executor.dismiss = lambda worker, reason: (
        executor.shards.pop(worker),
        executor.dismissed.append(reason),
        executor.hire(),
        executor.reports.append(Lost(worker, reason)),
    )
    drive(executor, group)
    assert executor.dismissed == ["not heard of for 30 s"]
    assert sorted(group.stored) == sorted(ITEMS)


def test_silence_while_nobody_listened_says_nothing():
    clock = [0.0]
    watchdog = Watchdog(10.0, lambda: clock[0])
    watchdog.heard(1)
    for now in (4.0, 8.0):
        clock[0] = now
        assert watchdog.listen() == []
    clock[0] += 1000 * ABSENT  # the whole run was stopped
    assert watchdog.listen() == []
    for _ in range(3):
        clock[0] += 4.0
    assert watchdog.listen() == []
    for _ in range(3):
        clock[0] += 4.0
        hung = watchdog.listen()
    assert hung == [1]
