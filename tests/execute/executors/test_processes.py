"""What the executor of other processes does beyond what every executor has to."""

from __future__ import annotations

import os
import signal

import pytest

from harness.api import Alive, Call, Devices, Lost, Placement
from harness.execute.executors import processes
from harness.execute.executors.processes import Processes
from harness.testing.executors import Driven, driven
from harness.testing.toys import ToyProgram

CALL = Call("a deadly call", [("cell", "image")])


@pytest.mark.parametrize(
    ("how", "reason", "call"),
    [
        ("SystemExit", "exit code 1", CALL),
        ("os._exit", "exit code 3", CALL),
        ("a segmentation fault", "killed by SIGSEGV: Segmentation fault", CALL),
    ],
)
def test_how_a_worker_ended_and_in_which_call(how, reason, call):
    with driven(Processes) as work:
        work.submit(*work.joined(), "end", how)
        lost = work.wait(Lost)
        assert (lost.reason, lost.call) == (reason, call)


def test_who_is_killed_from_outside_has_no_call_to_blame(tmp_path):
    with driven(Processes) as work:
        (worker,) = work.joined()
        pid = work.process(worker)
        work.submit(worker, "stay", str(tmp_path / "never"))
        while work.wait(Alive, worker).call != Call("a call", [("cell", "image")]):
            pass
        os.kill(pid, signal.SIGKILL)
        lost = work.wait(Lost)
        assert (lost.reason, lost.call) == ("killed by SIGKILL", None)


def test_who_hangs_is_dismissed_with_its_call(tmp_path):
    with driven(Processes) as work:
        (worker,) = work.joined()
        work.submit(worker, "stay", str(tmp_path / "never"))
        while work.wait(Alive, worker).call is None:
            pass
        work.executor.dismiss(worker, "too long")
        lost = work.wait(Lost)
        assert (lost.reason, lost.call) == ("too long", Call("a call", [("cell", "image")]))
        work.executor.dismiss(worker, "again")  # it is gone: nothing happens
        work.executor.submit(worker, None)


def test_workers_have_their_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(processes, "usable_cores", lambda: 6)
    with driven(Processes, "cpu:2") as work:
        for worker in work.joined(2):
            ((_, device, threads),) = work.done(worker, "who")
            assert (device, threads) == ("cpu", 3)


def test_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Processes(Placement(devices=Devices.parse("cpu:1"))) as executor:
        Driven(executor, ToyProgram()).joined()
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
