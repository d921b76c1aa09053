"""Signals end a process in order, once, and within seconds whatever hangs in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import signals
from harness.signals import EXIT, MESSAGE, STOPPING

BEGIN = """
import os, signal, sys, time
from multiprocessing import Process
from harness import signals
signals.begin()
"""
SWALLOWING = """
if __name__ == "__main__":
    child = Process(target=time.sleep, args=(600,))
    child.start()
    with signals.last_act(lambda: open("act", "w").close()):
        while True:
            try:
                print(child.pid, flush=True)
                time.sleep(600)
            except KeyboardInterrupt:
                pass
"""
IN_ORDER = """
try:
    print("ready", flush=True)
    time.sleep(600)
finally:
    print("cleaning", flush=True)
    time.sleep(1)
    print("clean", flush=True)
    signals.leave(signals.EXIT)
"""
LOST = """
class Careless:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(600)

try:
    one = Careless()
    del one
    time.sleep(600)
except KeyboardInterrupt:
    signals.leave(signals.EXIT)
"""
HELD = """
try:
    with signals.held_back():
        print("ready", flush=True)
        while not signals.asked():
            time.sleep(0.01)
        open("whole", "w").close()
    open("after", "w").close()
except KeyboardInterrupt:
    signals.leave(signals.EXIT)
"""
IMPORTING = """
open("heavy.py", "w").write('''
import time
print("ready", flush=True)
try:
    time.sleep(600)
except BaseException as error:
    raise ImportError("an extension's own idea") from error
''')
sys.path.insert(0, os.getcwd())
import heavy
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path):
    """StartingPoints a program that heeds all signals; waits until it is ready."""
    started = []

    def start(program: str, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        def heed() -> None:
            for number in STOPPING:
                signal.signal(number, signal.SIG_DFL)
            if prepare:
                prepare()

        process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + program],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            preexec_fn=heed,
        )  # fmt: skip
        started.append(process)
        process.first = process.stdout.readline().strip()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", STOPPING)
@pytest.mark.parametrize("program", [LOST, IMPORTING, HELD])
def test_an_interrupt_arrives_where_it_cannot_be_raised(start, tmp_path, program, number):
    process = start(program)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == EXIT
    assert err == (f"{MESSAGE}\n" if program is IMPORTING else "")
    assert not (tmp_path / "after").exists()
    assert (tmp_path / "whole").exists() == (program is HELD)


def test_what_hangs_is_broken_off_and_leaves_nothing(start, gone, tmp_path):
    process = start(SWALLOWING)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == EXIT
    assert time.monotonic() - began >= signals.GRACE
    assert err == f"{MESSAGE}\n"
    assert (tmp_path / "act").exists()
    assert gone(process.first)


def test_later_signals_change_nothing(start):
    process = start(IN_ORDER)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (EXIT, "clean\n", "")


def test_what_was_ignored_before_stays_ignored(start):
    process = start(IN_ORDER, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0].endswith("clean\n")


def test_in_a_process_of_others_handlers_are_lent() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), signals.handled():
            signal.raise_signal(signal.SIGTERM)
        assert signals.asked()
        with signals.handled():
            assert not signals.asked()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
