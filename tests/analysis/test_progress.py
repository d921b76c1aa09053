"""Distances against passes: the functions of traces, against a plain implementation."""

from __future__ import annotations

import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.points import points_note
from harness.analysis.progress import distance_within, progress
from harness.api import TRACE_PASSES

EVENTS = st.lists(st.tuples(st.integers(1, 3000), st.floats(0.01, 9)), max_size=12)


def traced(events):
    """A trace as the engine makes it, from (passes, distance) of adversarial queries."""
    if not events:
        return []
    nearest = min(distance for _, distance in events)
    found = min(passes for passes, distance in events if distance == nearest)
    trace = []
    for count in TRACE_PASSES:
        trace.append(min((each for passes, each in events if passes <= count), default=None))
        if count >= found:
            return trace
    raise AssertionError


@given(events=EVENTS, passes=st.integers(0, 6000))
def test_a_trace_is_read_at_any_number_of_passes(events, passes):
    counts = [count for count in TRACE_PASSES if count <= passes]
    expected = min((each for at, each in events if counts and at <= counts[-1]), default=None)
    assert distance_within(traced(events), passes) == expected


@given(images=st.lists(st.tuples(EVENTS, st.booleans()), min_size=1, max_size=6))
def test_medians_and_optimality_within_passes(images):
    rows = [
        (traced(events), min((each for _, each in events), default=5.0) if known else None)
        for events, known in images
    ]
    most = max((at for events, _ in images for at, _ in events), default=1)
    found = progress(rows, most, at=300)
    assert 300 in found.passes
    assert found.images == len(images)
    for count in (1, 10, 300, most):
        near = [distance_within(trace, count) for trace, _ in rows]
        middle, optimal = found.at(count)
        if count in found.passes:
            assert middle == median([math.inf if each is None else each for each in near])
            shares = [
                0.0 if each is None else smallest / each
                for each, (_, smallest) in zip(near, rows, strict=True)
                if smallest is not None
            ]
            assert optimal == (pytest.approx(sum(shares) / len(shares)) if shares else None)
    # By its last pass an attack that alone is known has found all that there is.
    if all(known for _, known in images) and all(events for events, _ in images):
        assert found.at(TRACE_PASSES[-1])[1] == pytest.approx(1.0)


def test_a_board_says_whose_distances_it_shows():
    assert points_note("returned", [False, False]) == []
    assert "returned" in points_note("returned", [True, False])[0]
    assert "best point" in points_note("best", [True, True])[0]
    assert "some models" in points_note("best", [True, False])[0]
    assert "not stored" in points_note("best", [False])[0]
