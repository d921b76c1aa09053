"""The driver with executors and turns of the test's own: order, losses, and what is broken off."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest

from harness.execute.driver import FailFast, drive
from harness.execute.events import Beat, Began
from harness.execute.executors.executor import Done, Lost
from harness.execute.shards import CleanTask, Shard


@dataclass
class Turn:
    """Work that takes ``shards`` shards; one that is lost is done again."""

    model: str
    shards: int
    log: list[str] = field(default_factory=list)

    def shard(self):
        if not self.shards:
            return None
        return Shard(model=self.model, label="", speaker="", task=CleanTask(()), trial=())

    def take(self, event):
        self.log.append(type(event).__name__)

    def done(self):
        self.shards -= 1

    def lost(self, reason):
        self.log.append(reason)

    def broken_off(self, *, failed):
        self.log.append(f"broken off, {failed=}")


class Scripted:
    """Works on the shard that was submitted first; ``reports`` come for every shard, in turn."""

    def __init__(self, slots: int, *reports) -> None:
        self.slots, self.reports = slots, reports
        self.working: deque[Shard] = deque()
        self.submitted: list[str] = []
        self.coming: deque = deque()
        self.most = 0

    def submit(self, shard):
        self.working.append(shard)
        self.submitted.append(shard.model)
        self.most = max(self.most, len(self.working))

    def next(self):
        self.coming = self.coming or deque(self.reports)
        report = self.coming.popleft()
        if isinstance(report, BaseException):
            raise report
        number = self.working[0].number
        if isinstance(report, Done | Lost):
            self.working.popleft()
        return number, report


def test_each_turn_is_done_shard_by_shard_and_ends_once():
    turns, executor = [Turn("a", 2), Turn("b", 1), Turn("c", 0)], Scripted(1, Began(8), Done())
    ended: list[str] = []
    drive(turns, executor, lambda turn: ended.append(turn.model))
    assert executor.submitted == ["a", "a", "b"]
    assert ended == ["a", "b", "c"]
    assert turns[0].log == ["Began", "Began"]


def test_as_many_turns_at_a_time_as_there_are_slots():
    turns = [Turn(name, 2) for name in "abcd"]
    executor = Scripted(3, Beat(), Done())
    ended: list[str] = []
    drive(turns, executor, lambda turn: ended.append(turn.model))
    assert executor.most == 3
    assert sorted(executor.submitted) == sorted("aabbccdd")
    assert sorted(ended) == list("abcd")


def test_a_lost_shard_is_cut_again():
    turn, executor = Turn("a", 1), Scripted(1, Lost("exit code 3"), Began(1), Done())
    drive([turn], executor, lambda turn: None)
    assert executor.submitted == ["a", "a"]
    assert turn.log == ["exit code 3", "Began"]


@pytest.mark.parametrize(
    ("error", "failed"),
    [(RuntimeError("disk"), True), (KeyboardInterrupt(), False), (FailFast("a"), False)],
)
def test_what_is_at_work_when_the_run_ends_is_broken_off(error, failed):
    turns = [Turn("a", 1), Turn("b", 1), Turn("c", 1)]
    with pytest.raises(type(error)):
        drive(turns, Scripted(2, Beat(), error), lambda turn: None)
    assert [turn.log for turn in turns] == [
        ["Beat", f"broken off, {failed=}"], [f"broken off, {failed=}"], []
    ]  # fmt: skip


def test_the_end_of_one_turn_may_end_the_run():
    turns = [Turn("a", 1), Turn("b", 1)]

    def ended(turn):
        raise FailFast(turn.model)

    with pytest.raises(FailFast):
        drive(turns, Scripted(2, Done()), ended)
    assert turns[0].log == []
    assert turns[1].log == ["broken off, failed=False"]
