"""What every executor has to keep, as checks for the tests of those who write one.

Each check takes a function that makes the executor for a placement, and a folder that workers on
the same host can write to::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_conformance(check, tmp_path):
        check(MyExecutor, tmp_path)

`EVERYWHERE` are for all executors; the others need workers in processes of their own. A placement
that they cannot ask for, such as one with GPUs, is the author's to test.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from harness.api import (
    Alive,
    Devices,
    Done,
    Executor,
    HarnessError,
    Joined,
    Lost,
    Placement,
    Refused,
    Report,
    Yielded,
)
from harness.testing.toys import PATIENCE, Toy, ToyProgram, answer, unpicklable

Make = Callable[[Placement], Executor]
Check = Callable[[Make, Path], None]

AHEAD = 32
"""Events that a worker may have made before anybody asks for them."""
AT_ONCE = 5.0
"""Seconds within which no worker is left."""

_Kind = TypeVar("_Kind", bound=Report)


class Driven:
    """An executor at work, and all that it has reported."""

    def __init__(self, executor: Executor, program: ToyProgram) -> None:
        self.executor = executor
        self.reports: list[Report] = []
        self._seen = 0
        self.workers = executor.start(program, answer).workers

    def wait(self, kind: type[_Kind], worker: int | None = None) -> _Kind:
        """The next report of this kind that no `wait` has returned yet; others are passed over."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            while self._seen < len(self.reports):
                report = self.reports[self._seen]
                self._seen += 1
                if isinstance(report, kind) and worker in (None, report.worker):
                    return report
            self.listen(0.2)
        raise AssertionError(f"no {kind.__name__} among {self.reports[-10:]}")

    def listen(self, seconds: float) -> None:
        """Wait for a report, for so long."""
        report = self.executor.next(seconds)
        if report is not None:
            self.reports.append(report)

    def joined(self, count: int = 1) -> list[int]:
        """The numbers of so many workers."""
        return [self.wait(Joined).worker for _ in range(count)]

    def submit(self, worker: int, does: str, *arguments: Any, ballast: int = 0) -> None:
        self.executor.submit(worker, Toy(does, arguments, bytes(ballast)))

    def events(self, worker: int) -> list[Any]:
        """All that a worker's shards have yielded so far."""
        return [
            report.event
            for report in self.reports
            if isinstance(report, Yielded) and report.worker == worker
        ]

    def done(self, worker: int, does: str, *arguments: Any) -> list[Any]:
        """What this shard yields."""
        before = len(self.events(worker))
        self.submit(worker, does, *arguments)
        self.wait(Done, worker)
        return self.events(worker)[before:]

    def process(self, worker: int) -> int:
        """The number of its process."""
        ((pid, _, _),) = self.done(worker, "who")
        return int(pid)


@contextmanager
def driven(make: Make, devices: str = "cpu:1", program: ToyProgram | None = None) -> Any:
    """An executor for these devices, started."""
    with make(Placement(devices=Devices.parse(devices))) as executor:
        yield Driven(executor, program or ToyProgram())


def all_events_arrive_in_their_order(make: Make, folder: Path) -> None:
    """All that a shard yields arrives in its order; then the worker is ready for the next one."""
    with driven(make) as work:
        assert work.workers == 1
        (worker,) = work.joined()
        joined = next(each for each in work.reports if isinstance(each, Joined))
        assert joined.host
        assert joined.device == "cpu toy"
        assert work.done(worker, "count", 1000) == list(range(1000))
        assert work.done(worker, "nothing") == []
        assert work.done(worker, "count", 3) == [0, 1, 2]
        assert not [each for each in work.reports if isinstance(each, Lost | Refused)]


def workers_can_ask(make: Make, folder: Path) -> None:
    """What a worker asks, the run's source answers."""
    with driven(make) as work:
        assert work.done(*work.joined(), "ask", ["image", 3]) == [("answer", ["image", 3])]


def a_program_that_cannot_work_is_refused_in_one_line(make: Make, folder: Path) -> None:
    """A program that cannot work is refused in one line, and then nobody is left to wait for."""
    with driven(make, program=ToyProgram(refuses="no weights here")) as work:
        refused = work.wait(Refused)
        assert "no weights here" in refused.why
        assert "\n" not in refused.why
        _nobody_is_left(work)


def a_defect_ends_the_run(make: Make, folder: Path) -> None:
    """What a shard raises is raised where reports are asked for, after what it had yielded."""
    with driven(make) as work:
        (worker,) = work.joined()
        work.submit(worker, "fail", "a defect")
        error = _raised(lambda: work.wait(Done, worker))
        assert isinstance(error, ValueError)
        assert "a defect" in str(error)
        assert work.events(worker) == ["before"]


def several_work_at_a_time(make: Make, folder: Path) -> None:
    """Workers on several devices work at a time: two that wait for each other get on."""
    with driven(make, "cpu:2") as work:
        assert work.workers == 2
        one, two = work.joined(2)
        here, there = str(folder / "here"), str(folder / "there")
        work.submit(one, "meet", here, there)
        work.submit(two, "meet", there, here)
        for _ in range(2):
            work.wait(Done)
        assert len({work.events(each)[0] for each in (one, two)}) == 2
        assert [work.events(each)[1] for each in (one, two)] == ["met", "met"]


def no_more_workers_than_help(make: Make, folder: Path) -> None:
    """No more workers begin than `Placement.most`, whatever the devices have room for."""
    with make(Placement(devices=Devices.parse("cpu:3"), most=2)) as executor:
        assert executor.start(ToyProgram(), answer).workers == 2


def variables_are_set_for_the_workers_alone(make: Make, folder: Path) -> None:
    """The program's variables of the environment are set for the workers, and for nobody else."""
    name = "HARNESS_TOY_VARIABLE"
    with driven(make, program=ToyProgram(environment={name: "set"})) as work:
        assert work.done(*work.joined(), "variable", name) == ["set"]
    assert name not in os.environ


def what_cannot_travel_is_a_type_error(make: Make, folder: Path) -> None:
    """What cannot be pickled is a `TypeError` of `start`, before anything has begun."""
    with make(Placement(devices=Devices.parse("cpu:1"))) as executor:
        error = _raised(lambda: executor.start(unpicklable(), answer))
        assert isinstance(error, TypeError)


def a_killed_worker_is_lost_alone(make: Make, folder: Path) -> None:
    """A worker that is killed is lost, another one joins in its place, and the rest continues."""
    with driven(make, "cpu:2") as work:
        one, two = work.joined(2)
        victim, file = work.process(one), folder / "go on"
        work.submit(one, "stay", str(folder / "never"))
        work.submit(two, "stay", str(file))
        os.kill(victim, signal.SIGKILL)
        lost = work.wait(Lost)
        assert lost.worker == one
        assert lost.reason
        (three,) = work.joined()
        assert three not in (one, two)
        assert work.done(three, "count", 5) == list(range(5))
        file.touch()
        _until(work, lambda: "stayed" in work.events(two))
        assert work.process(three) != victim


def a_worker_that_ends_itself_is_lost(make: Make, folder: Path) -> None:
    """A worker that ends itself, whichever way, is lost; what it had yielded before is not."""
    with driven(make) as work:
        (worker,) = work.joined()
        for how in ("SystemExit", "os._exit", "a segmentation fault"):
            work.submit(worker, "end", how)
            lost = work.wait(Lost)
            assert lost.worker == worker
            assert len(work.events(worker)) == 1
            (worker,) = work.joined()


def a_stopped_worker_can_be_dismissed(make: Make, folder: Path) -> None:
    """A stopped worker has no heartbeat; dismissed, it is reported as lost, with that reason."""
    with driven(make, "cpu:2") as work:
        one, two = work.joined(2)
        file = folder / "go on"
        pid = work.process(one)
        work.submit(one, "stay", str(folder / "never"))
        work.submit(two, "stay", str(file))
        work.wait(Alive, one)
        os.kill(pid, signal.SIGSTOP)
        _silent(work, one)
        work.wait(Alive, two)
        work.executor.dismiss(one, "nothing heard of it")
        lost = work.wait(Lost)
        assert (lost.worker, lost.reason) == (one, "nothing heard of it")
        (three,) = work.joined()
        file.touch()
        _until(work, lambda: "stayed" in work.events(two))
        assert work.done(three, "count", 2) == [0, 1]
        _gone([pid])


def nobody_waits_for_a_stopped_worker(make: Make, folder: Path) -> None:
    """Nobody waits for a stopped worker: neither for a large shard nor for half a large event."""
    with driven(make, "cpu:2") as work:
        one, two = work.joined(2)
        pids = [work.process(one), work.process(two)]
        os.kill(pids[0], signal.SIGSTOP)
        work.submit(one, "nothing", ballast=32 * 1024**2)
        assert work.done(two, "count", 3) == [0, 1, 2]
        counter = folder / "counter"
        work.submit(two, "flood", 100, 32 * 1024**2, str(counter))
        work.wait(Yielded, two)
        os.kill(pids[1], signal.SIGSTOP)
        for _ in range(20):
            work.listen(0.05)  # half an event may have arrived: this returns
        work.executor.dismiss(two, "stopped")
        assert work.wait(Lost).worker == two


def workers_wait_where_nobody_asks(make: Make, folder: Path) -> None:
    """Workers wait where nobody asks for their events: memory does not have to hold them."""
    with driven(make) as work:
        (worker,) = work.joined()
        counter = folder / "counter"
        work.submit(worker, "flood", 10_000, 65_536, str(counter))
        work.wait(Yielded, worker)
        before = -1
        while (now := int(counter.read_text() or 0)) != before:
            before = now
            time.sleep(0.5)
        assert now <= AHEAD, f"it has made {now} events, and one was asked for"
        for _ in range(100):
            work.wait(Yielded, worker)


def workers_that_die_at_once_are_not_replaced_for_ever(make: Make, folder: Path) -> None:
    """Where workers die before they have joined, after a few the place is given up."""
    with driven(make, "cpu:2", ToyProgram(dies=True)) as work:
        for _ in range(2):
            assert "\n" not in work.wait(Refused).why
        assert len([each for each in work.reports if isinstance(each, Lost)]) <= 8
        _nobody_is_left(work)


def no_worker_is_left(make: Make, folder: Path) -> None:
    """Once the executor is closed no worker is left: working, stopped or idle."""
    with driven(make, "cpu:3") as work:
        one, two, three = work.joined(3)
        pids = [work.process(each) for each in (one, two, three)]
        work.submit(one, "stay", str(folder / "never"))
        work.submit(two, "stay", str(folder / "never"))
        os.kill(pids[1], signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < AT_ONCE
    _gone(pids)


def no_worker_is_left_that_has_not_joined(make: Make, folder: Path) -> None:
    """Closed before anybody is ready, it is closed at once, and no worker comes after."""
    with driven(make, "cpu:2"):
        began = time.monotonic()
    assert time.monotonic() - began < AT_ONCE


EVERYWHERE: Sequence[Check] = (
    all_events_arrive_in_their_order,
    workers_can_ask,
    a_program_that_cannot_work_is_refused_in_one_line,
    a_defect_ends_the_run,
)
WITH_PROCESSES: Sequence[Check] = (
    several_work_at_a_time,
    no_more_workers_than_help,
    variables_are_set_for_the_workers_alone,
    what_cannot_travel_is_a_type_error,
    a_killed_worker_is_lost_alone,
    a_worker_that_ends_itself_is_lost,
    a_stopped_worker_can_be_dismissed,
    nobody_waits_for_a_stopped_worker,
    workers_wait_where_nobody_asks,
    workers_that_die_at_once_are_not_replaced_for_ever,
    no_worker_is_left,
    no_worker_is_left_that_has_not_joined,
)
CHECKS: Sequence[Check] = (*EVERYWHERE, *WITH_PROCESSES)


def _raised(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


def _nobody_is_left(work: Driven) -> None:
    """`next` says so in one line, instead of waiting for ever."""
    error = _raised(lambda: _until(work, lambda: False))
    assert isinstance(error, HarnessError)
    assert "\n" not in str(error)


def _until(work: Driven, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"it did not come to pass: {work.reports[-10:]}"
        work.listen(0.2)


def _silent(work: Driven, worker: int) -> None:
    """What it had said is heard; then there is no word of it for three heartbeats."""
    heard = until = time.monotonic()
    while time.monotonic() < heard + 3:
        assert time.monotonic() < until + PATIENCE, "it still speaks"
        count = len(work.reports)
        work.listen(0.2)
        if any(each.worker == worker for each in work.reports[count:]):
            heard = time.monotonic()


def _gone(pids: Sequence[int]) -> None:
    """None of these processes is there any more; a zombie is nobody's worker."""
    until = time.monotonic() + AT_ONCE
    left = list(pids)
    while left := [pid for pid in left if _lives(pid)]:
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
