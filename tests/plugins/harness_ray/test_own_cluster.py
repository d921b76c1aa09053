"""A cluster of the run's own: nothing is left of it, however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'frontier-harness[ray]'")

PROGRAM = """\
import sys
from harness_ray.executor import RayExecutor
from harness.testing.executors import driven
with driven(RayExecutor, "cpu:2") as work:
    one, two = work.joined(2)
    work.submit(one, "stay", "/nowhere/never")
    print(work.process(two), flush=True)
    while True:
        work.listen(1.0)
"""
ENDS = 5.0


def family(pid):
    """A process and all its descendants."""
    parents = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(each.parent.name)] = int(each.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def folders():
    return set(Path("/tmp").glob("harness-ray-*"))


def test_after_kill_9(gone):
    before = folders()
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        processes = family(process.pid)
        assert worker in processes
        assert len(processes) > 6  # the driver, the keeper, Ray's own and the workers
        (folder,) = folders() - before
        process.send_signal(signal.SIGKILL)
        began = time.monotonic()
    assert all(gone(str(pid)) for pid in processes)
    while folder.exists():
        assert time.monotonic() - began < ENDS
        time.sleep(0.05)


def test_after_a_request_to_stop(tmp_path, gone):
    """By the signal that Ray would answer itself; what Ctrl-C sends is answered in the same way."""
    before = folders()
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-m", "harness", "run", "--suite", "digits18", "--executor", "ray",
               "--devices", "cpu:2", "--progress", "plain"]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "images" in line and "/s" in line:
                break
        processes = family(process.pid)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        rest = process.stderr.read()
    assert process.returncode == 130, said
    assert time.monotonic() - began < ENDS
    assert all(gone(str(pid)) for pid in processes)
    assert folders() == before
    everything = "".join(said) + rest
    assert not [word for word in ("Traceback", "raylet", "logging.cc") if word in everything]
