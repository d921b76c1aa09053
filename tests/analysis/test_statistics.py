from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.api.statistics import bounds, mean, median_with_failures, wilson


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(counts: tuple[int, int]) -> None:
    successes, trials = counts
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx(tuple(expected), abs=1e-12)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_stays_in_range_and_holds_the_share(counts: tuple[int, int]) -> None:
    interval = wilson(*counts)
    assert interval is not None
    assert 0 <= interval[0] <= counts[0] / counts[1] <= interval[1] <= 1


def test_nothing_has_no_statistics() -> None:
    assert wilson(0, 0) is None
    assert mean([]) is None
    assert median_with_failures([]) is None
    assert bounds(0, 0, 0) is None


def test_median_counts_failures_as_infinite() -> None:
    assert median_with_failures([1.0, 2.0, 3.0]) == 2
    assert median_with_failures([1.0, 2.0, 3.0], 1) == 2.5
    assert median_with_failures([1.0, 2.0, 3.0], 2) == 3
    assert median_with_failures([1.0, 2.0, 3.0], 3) == math.inf
    assert median_with_failures([], 1) == math.inf


@given(st.integers(0, 20), st.integers(0, 20), st.lists(st.sampled_from("brx"), max_size=20))
def test_bounds_hold_whatever_becomes_of_the_unknown(
    broken: int, robust: int, fate: list[str]
) -> None:
    after = broken + fate.count("b"), broken + robust + fate.count("b") + fate.count("r")
    limits = bounds(broken, broken + robust, len(fate))
    if after[1]:
        assert limits is not None
        assert limits[0] <= after[0] / after[1] <= limits[1]
