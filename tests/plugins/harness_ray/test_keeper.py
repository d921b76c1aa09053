"""Nothing that it started outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness_ray import keeper

# A process with a child that has left it, and one that has no parent but the keeper any more.
COMMAND = "sleep 600 & echo $! > pids; (setsid sleep 600 & echo $! >> pids); echo $$ >> pids; wait"


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, keeper.__file__, str(folder), "sh", "-c", f"cd {tmp_path}; {COMMAND}"],
        stdin=subprocess.PIPE,
    )
    pids = tmp_path / "pids"
    while not pids.exists() or len(pids.read_text().split()) < 3:
        time.sleep(0.01)
    yield process, folder, pids.read_text().split()
    process.kill()


def test_when_its_stdin_is_closed(kept, gone):
    process, folder, pids = kept
    process.stdin.close()
    assert process.wait(10) == 0
    assert all(map(gone, pids))
    assert not folder.exists()


def test_when_the_command_ends(kept, gone):
    process, folder, pids = kept
    os.kill(int(pids[-1]), signal.SIGKILL)
    assert process.wait(10) == 0
    assert all(map(gone, pids))
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_when_it_is_asked_to_end(kept, gone, number):
    process, _, pids = kept
    process.send_signal(number)
    process.wait(10)
    assert all(map(gone, pids))


def test_what_the_command_says_is_kept(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    (tmp_path / "copy").mkdir()
    command = f"echo out; echo err >&2; cp {folder}/{keeper.LOG} {tmp_path}/copy"
    subprocess.run(
        [sys.executable, keeper.__file__, str(folder), "sh", "-c", command],
        stdin=subprocess.PIPE, check=True, timeout=30,
    )  # fmt: skip
    assert Path(tmp_path, "copy", keeper.LOG).read_text() == "out\nerr\n"
