"""How many threads torch has while others want the cores, by a clock that the tests turn."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.api import PluginError
from harness.engine import threads
from harness.engine.guard import Guard
from harness.engine.threads import LONGEST_REST, REST, SMALL, WINDOW, Spent, Threads, spent
from harness.testing.fakes import pixel_model

MOST = 8


class Machine:
    """A clock, and threads of which each runs for a share of the time and waits for another."""

    def __init__(self, *shares: tuple[float, float]) -> None:
        self.now, self.shares = 100.0, shares or ((1.0, 0.0),) * MOST
        self._spent = [Spent(3.0, 5.0) for _ in self.shares]
        self.threads = Threads(MOST, clock=lambda: self.now, spent=self.spent)

    def spent(self) -> dict[str, Spent]:
        return {str(number): each for number, each in enumerate(self._spent)}

    def after(self, seconds: float, *, small: bool = True) -> int:
        """The number of threads when somebody looks so much later."""
        self.now += seconds
        self._spent = [
            Spent(each.running + seconds * running, each.waiting + seconds * waiting)
            for each, (running, waiting) in zip(self._spent, self.shares, strict=True)
        ]
        self.threads.look(small=small)
        return self.threads.count


ALONE = ((1.0, 0.0),) * MOST
SHARED = ((0.5, 0.5), *((1.0, 0.0),) * (MOST - 1))
"""One of the threads has half a core."""


def test_all_threads_stay_while_they_have_their_cores():
    machine = Machine()
    assert {machine.after(WINDOW / 3) for _ in range(100)} == {MOST}


@pytest.mark.parametrize(("small", "count"), [(True, 1), (False, MOST - 1)])
def test_fewer_threads_while_one_has_lost_its_core(small, count):
    machine = Machine(*SHARED)
    assert machine.after(WINDOW / 2, small=small) == MOST
    assert machine.after(WINDOW, small=small) == count


def test_a_large_network_gives_away_as_many_as_were_lost():
    machine = Machine(*((0.6, 0.4),) * MOST)
    assert machine.after(WINDOW, small=False) == MOST - 4  # 3.2 cores
    assert machine.after(WINDOW / 9, small=True) == 1
    assert machine.after(WINDOW / 9, small=False) == MOST - 4


def test_all_are_tried_again_later_and_later():
    machine, rests = Machine(*SHARED), []
    for _ in range(6):
        assert machine.after(WINDOW) == 1
        begun = machine.now
        while machine.after(0.125) == 1:
            pass
        rests.append(machine.now - begun)
    assert rests == [1, 2, 4, 8, 8, 8]
    assert rests[0] == REST
    assert rests[-1] == LONGEST_REST
    machine.shares = ALONE
    assert machine.after(WINDOW) == MOST
    machine.shares = SHARED
    assert machine.after(WINDOW) == 1
    assert machine.after(REST) == MOST


def test_what_hardly_runs_does_not_count():
    """Decoders, or sleep that the system takes for waiting; or nobody looked for a while."""
    machine = Machine(*ALONE[1:], (0.05, 0.95))
    assert machine.after(WINDOW) == MOST
    machine = Machine(*((0.0, 0.5),) * MOST)
    assert machine.after(1000) == MOST


def test_a_system_that_does_not_say_has_all_threads(tmp_path):
    assert spent(tmp_path / "none") == {}
    (tmp_path / "17").mkdir()
    assert spent(tmp_path) == {}  # it ended
    (tmp_path / "17" / "schedstat").write_text("2000000000 500000000 7\n")
    assert spent(tmp_path) == {"17": Spent(2.0, 0.5)}
    nowhere = Threads(MOST, clock=iter(range(100)).__next__, spent=dict)
    for _ in range(20):
        nowhere.look(small=True)
        assert nowhere.count == MOST


@pytest.mark.skipif(not threads.TASKS.exists(), reason="no /proc on this system")
def test_the_system_counts_what_this_thread_runs():
    name = str(threading.get_native_id())
    before, begun = spent()[name].running, time.thread_time()
    while time.thread_time() - begun < 0.05:
        pass
    assert spent()[name].running - before >= 0.04


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 20),
            st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=MOST, max_size=MOST),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_there_is_always_one_and_never_more_than_all(looks):
    machine = Machine()
    for seconds, shares, small in looks:
        machine.shares = tuple(shares)
        assert 1 <= machine.after(seconds, small=small) <= MOST


@pytest.fixture
def two(monkeypatch):
    """Torch has two threads, and one of them is without a core for half of the time."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_here", threads._Here())
    torch.set_num_threads(2)
    now = iter(range(1000))
    monkeypatch.setattr(
        threads,
        "Threads",
        lambda most: Threads(
            most,
            clock=lambda: float(next(now)),
            spent=lambda: {"1": Spent(next(now) / 2, next(now) / 2)},
        ),
    )
    yield
    torch.set_num_threads(before)


def network(side: int = 4):
    layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 2))
    return pixel_model(layers, classes=2, size=(side, side))


@pytest.mark.usefixtures("two")
def test_a_pass_looks_and_afterwards_all_threads_are_back():
    model, images = network(), torch.rand(2, 3, 4, 4)
    model.predict(images)
    assert torch.get_num_threads() == 2
    with threads.adapting():
        with threads.adapting():
            model.predict(images)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with threads.adapting():  # what was found out is known
        assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two")
def test_a_number_that_the_user_chose_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threads.adapting():
        network().predict(torch.rand(2, 3, 4, 4))
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("its", [2, 3])
def test_fewer_threads_are_no_plugins_fault_and_a_plugins_are(its):
    model, images = network(), torch.rand(2, 3, 4, 4)
    with threads.adapting():
        guard = Guard("the attack")
        model.predict(images)
        assert torch.get_num_threads() == 1
        guard.check()
        torch.set_num_threads(its)
        with pytest.raises(PluginError, match="torch's number of threads"):
            guard.check()
        assert torch.get_num_threads() == 1


def test_small_is_told_by_the_values_of_an_input(monkeypatch):
    seen = []
    monkeypatch.setattr(threads, "look", seen.append)
    network().predict(torch.rand(2, 3, 4, 4))
    network(5).forward(torch.rand(2, 3, 5, 5, requires_grad=True))
    assert seen == [48, 75]
    assert SMALL >= 3 * 32 * 32
