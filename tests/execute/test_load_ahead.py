"""A run loads the next model while the present one is at work, whatever comes of it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading

import pytest

from harness_digits.loader import DigitsLoader

OVERLAY = """\
models:
  damaged: &odd
    loader: digits
    architecture: digits-alexnet
    family: AlexNet
    classes: 10
    preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
    weights: {file: damaged.safetensors}
  last:
    <<: *odd
    weights: {}
suites:
  three:
    summary: a damaged model between two that work
    dataset: digits
    models: [digits-mobilenet_v1_025, damaged, last]
    images: 6
    accuracy_images: 6
    attacks: [{attack: fgsm, goals: [random], parameters: {epsilon: 0.1}}]
    metrics: [success]
"""
RUN = ("run", "--suite", "three", "--registry", "three.yaml")


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """Each load's model and whether it was ahead, as they begin."""
    (tmp_path / "three.yaml").write_text(OVERLAY)
    (tmp_path / "damaged.safetensors").write_bytes(b"no tensors")
    seen: list[tuple[str, bool]] = []
    load = DigitsLoader.load

    def noted(self, spec, device):
        seen.append((spec.name, threading.current_thread() is not threading.main_thread()))
        return load(self, spec, device)

    monkeypatch.setattr(DigitsLoader, "load", noted)
    yield seen
    assert [t.name for t in threading.enumerate() if t.name.startswith("load")] == []


def test_a_model_that_cannot_be_loaded_ahead_costs_only_itself(harness, loads):
    done = harness(*RUN)
    assert done.code == 1
    assert "damaged.safetensors: is text: only safetensors" in done.err
    assert loads == [("digits-mobilenet_v1_025", False), ("damaged", True), ("last", False)]
    board = json.loads(harness("leaderboard", "--format", "json").out)["rows"]
    assert {row["model"]: row["status"] for row in board} == {
        "digits-mobilenet_v1_025": "complete", "last": "complete", "damaged": "not run"
    }  # fmt: skip


def test_fail_fast_leaves_what_was_loaded_ahead(harness, loads):
    assert harness(*RUN, "--models", "digits-mobilenet_v1_025,damaged", "--fail-fast").code == 1
    assert loads == [("digits-mobilenet_v1_025", False), ("damaged", True)]


def test_an_interrupt_during_a_load_ahead_is_resumable(harness, loads, monkeypatch):
    noted = DigitsLoader.load

    def interrupting(self, spec, device):
        if threading.current_thread() is not threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)
        return noted(self, spec, device)

    # Background jobs of a shell begin with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(DigitsLoader, "load", interrupting)
            stopped = harness(*RUN, "--models", "digits-mobilenet_v1_025,last")
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.code == 130
    with sqlite3.connect("harness.db") as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("interrupted",)]
    assert harness(*RUN, "--models", "digits-mobilenet_v1_025,last").code == 0
