"""Halving on lack of memory: nothing twice, nothing lost, and for good."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.api import ModelError
from harness.engine import halving
from harness.engine.halving import BatchSize

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def no_collection():
    """Without the search for garbage, which takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(halving, "release", lambda device: None)
        yield


def fits(memory):
    """What a device does that has room for ``memory`` items; the sizes that it was given."""
    tried = []

    def run(items):
        tried.append(len(items))
        if len(items) > memory:
            raise torch.OutOfMemoryError
        return list(items)

    return run, tried


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, 40), st.integers(1, 64), st.integers(1, 64))
def test_every_item_once_in_order_however_little_fits(count, first, memory):
    run, _ = fits(memory)
    halvings = []
    size = BatchSize(first, CPU, halvings.append)
    found = [item for part in size.parts(run, range(count)) for item in part]
    assert found == list(range(count))
    assert halvings == [first >> n for n in range(1, len(halvings) + 1)]
    assert size.images == first >> len(halvings)


def test_the_size_is_remembered():
    run, tried = fits(3)
    halvings = []
    size = BatchSize(8, CPU, halvings.append)
    list(size.parts(run, range(8)))
    assert tried == [8, 4, 2, 2, 2, 2]
    list(size.parts(run, range(4)))
    assert tried[6:] == [2, 2]
    assert halvings == [4, 2]


def test_a_single_item_without_room_is_one_line():
    run, _ = fits(0)
    with pytest.raises(ModelError, match="out of memory with a single image"):
        list(BatchSize(4, CPU, lambda size: None).parts(run, range(4)))


def test_what_is_not_about_memory_is_passed_on_at_once():
    def run(items):
        raise ValueError("no")

    halvings = []
    with pytest.raises(ValueError, match="no"):
        list(BatchSize(4, CPU, halvings.append).parts(run, range(4)))
    assert halvings == []


def test_a_batch_that_failed_is_gone_before_the_next_is_tried():
    """Tensors that the frames of an error hold would leave no room for the smaller batch."""
    alive: list[int] = []

    class Big:
        def __init__(self) -> None:
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def run(items):
        assert not alive
        held = Big()
        if len(items) > 1:
            raise torch.OutOfMemoryError
        return held and len(items)

    assert list(BatchSize(4, CPU, lambda size: None).parts(run, range(4))) == [1, 1, 1, 1]
