"""Several hosts: what a worker lacks comes from the driver's; hosts are lost, and others join."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.api import Devices, Joined, Lost, Placement, Refused
from harness.testing.executors import Driven, driven
from harness.testing.toys import ToyProgram

GROWTH = 2
"""Workers that wait for room."""

pytest.importorskip("ray", reason="Ray is not installed: pip install 'frontier-harness[ray]'")

BARE = """\
import sys


class Finder:
    def find_spec(self, name, *_):
        if name.startswith("harness"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Finder())
"""
"""A host's sitecustomize.py: the harness is not installed there."""
WAYS = {"its host was lost", "its host cannot be reached", "its process died"}
"""What can be noticed first where a host is lost."""
NOTICED = 20.0
"""Seconds within which a lost host is noticed."""


class Toys(Driven):
    """A driver whose source evaluates what it is asked."""

    def __init__(self, executor, program):
        self.executor, self.reports, self._seen = executor, [], 0
        self.workers = executor.start(program, eval).workers


@pytest.fixture
def second(town):
    """Another host, which is gone after the test if not before."""
    host = town.add(2)
    yield host
    town.remove(host)


def placed(devices="cpu", **options):
    return Placement(devices=Devices.parse(devices), **options)


def test_a_host_is_lost_and_another_one_joins(town, make, second, tmp_path):
    with make(placed(cpus_per_worker=2)) as executor:
        work = Driven(executor, ToyProgram())
        assert work.workers == 3  # four cores and two
        raylets = {worker: parent(work.process(worker)) for worker in work.joined(3)}
        (there,) = [worker for worker, raylet in raylets.items() if raylet == pid_of(second)]
        here = next(worker for worker in raylets if worker != there)
        work.submit(there, "stay", str(tmp_path / "never"))
        work.submit(here, "stay", str(tmp_path / "go on"))
        began = time.monotonic()
        town.kill(second)
        lost = work.wait(Lost)
        assert time.monotonic() - began < NOTICED
        assert lost.worker == there
        assert lost.call is None
        assert lost.reason in WAYS
        third = town.add(4)
        new = work.joined(2)
        for worker in new:
            assert parent(work.process(worker)) == pid_of(third)
            assert work.done(worker, "count", 3) == [0, 1, 2]
        (tmp_path / "go on").touch()
        while "stayed" not in work.events(here):
            work.listen(0.2)
        # Others may have been on their way there.
        joined = {each.worker for each in work.reports if isinstance(each, Joined)}
        lost = {each.worker for each in work.reports if isinstance(each, Lost)}
        assert joined & lost == {there}
    town.remove(third)


def test_the_source_answers_on_the_drivers_host(town, make, second):
    with make(placed(cpus_per_worker=2)) as executor:
        work = Toys(executor, ToyProgram())
        answered = {}
        for worker in work.joined(3):
            process = work.process(worker)
            (answered_by,) = work.done(worker, "ask", "__import__('os').getpid()")
            answered[parent(process)] = process, answered_by
        process, answered_by = answered[pid_of(second)]
        assert answered_by not in {process, os.getpid()}
        assert parent(answered_by) == pid_of(town.head)
        process, answered_by = answered[pid_of(town.head)]
        assert answered_by == process  # no way to go


def test_what_a_worker_died_of_is_known_on_another_host(town, make, second):
    with make(placed(cpus_per_worker=2)) as executor:
        work = Driven(executor, ToyProgram())
        joined = work.joined(3)
        (there,) = [each for each in joined if parent(work.process(each)) == pid_of(second)]
        for how, word in (("a segmentation fault", ": Segmentation fault"), ("SystemExit", "Exit")):
            work.submit(there, "end", how)
            lost = work.wait(Lost)
            assert word in lost.reason
            assert lost.call.what == "a deadly call"
            assert lost.call.images == [("cell", "image")]
            there = newcomer(work, joined)
            joined.append(there)


def newcomer(work, known):
    """A worker that is none of those; it may join before a loss is reported."""
    while True:
        for each in work.reports:
            if isinstance(each, Joined) and each.worker not in known:
                return each.worker
        work.listen(0.2)


def test_workers_share_gpus(town, make):
    """Ray believes what it is told about GPUs; the program here computes on none."""
    with_gpus = town.add(4, num_gpus=2)
    try:
        with make(placed("auto", gpus_per_worker=0.5)) as executor:
            work = Driven(executor, ToyProgram())
            assert work.workers == 4
            seen = []
            for worker in work.joined(4):
                ((_, device, threads),) = work.done(worker, "who")
                assert (device, threads) == ("cuda:0", 1)
                seen += work.done(worker, "variable", "CUDA_VISIBLE_DEVICES")
            assert sorted(seen) == ["0", "0", "1", "1"]
            joined = sorted(each.device for each in work.reports if isinstance(each, Joined))
            assert joined == ["cuda:0 toy", "cuda:0 toy", "cuda:1 toy", "cuda:1 toy"]
        with make(placed("auto", most=2)) as executor:
            work = Driven(executor, ToyProgram())
            workers = work.joined(2)
            seen = [work.done(each, "variable", "CUDA_VISIBLE_DEVICES")[0] for each in workers]
            assert sorted(seen) == ["0", "1"]
    finally:
        town.remove(with_gpus)


def test_a_host_without_the_harness_is_refused(town, make, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BARE)
    bare = town.add(3, env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        with make(placed(cpus_per_worker=3)) as executor:
            work = Driven(executor, ToyProgram())
            work.joined(1)
            refused = work.wait(Refused)
            assert refused.why.startswith("module harness_ray is missing there; install")
            assert "\n" not in refused.why
            for _ in range(20):  # those who waited for room may be sent there, and nobody else
                work.listen(0.2)
            assert len([each for each in work.reports if isinstance(each, Refused)]) <= 1 + GROWTH
            assert len([each for each in work.reports if isinstance(each, Joined)]) == 1
    finally:
        town.remove(bare)


def test_a_cluster_without_gpus(make):
    with (
        pytest.raises(Exception, match="the cluster has no GPU") as raised,
        driven(make, "cuda:all"),
    ):
        pass
    assert "\n" not in str(raised.value)


def pid_of(host):
    return host.all_processes["raylet"][0].process.pid


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
