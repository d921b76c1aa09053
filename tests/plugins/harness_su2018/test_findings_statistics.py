"""The findings' statistics against scipy, numpy and plain loops."""

from __future__ import annotations

import itertools
import math
import random
from statistics import fmean

import numpy as np
import pytest
from findings_toy import matrix
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.api.statistics import (
    binomial_tail,
    expanded,
    interval_of_mean,
    interval_over_pairs,
    mean_ranks,
    p_value,
    resampled,
    shuffled,
    spearman,
    student,
)
from harness_su2018.findings.pairs import rates


@pytest.mark.parametrize("freedom", range(3, 60, 4))
def test_students_quantile(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


@given(st.integers(1, 300), st.data())
def test_binomial_tail(trials: int, data: st.DataObject) -> None:
    hits, share = data.draw(st.integers(0, trials)), data.draw(st.floats(0.01, 0.99))
    expected = stats.binom.cdf(hits, trials, share)
    assert binomial_tail(hits, trials, share) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12))
def test_spearman_with_ties(points: list[tuple[int, int]]) -> None:
    one, other = zip(*points, strict=True)
    assert mean_ranks(one) == list(stats.rankdata(one))
    rho = spearman(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert rho is None
    else:
        assert rho == pytest.approx(stats.spearmanr(one, other).statistic)


def test_a_bootstrap_sample_takes_as_many_as_there_are() -> None:
    weights = resampled(7)
    assert weights.shape[1] == 7
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == resampled(7)).all()


def test_the_intervals_of_means_cover_as_they_say() -> None:
    """Coverage over normal samples of few models: plain expanded would reach 84 % of 5."""
    source = random.Random(1)
    for count in (5, 18):
        inside = 0
        for _ in range(400):
            low, high = interval_of_mean([source.gauss(0, 1) for _ in range(count)])  # type: ignore[misc]
            inside += low <= 0 <= high
        assert 0.91 <= inside / 400 <= 0.985


def test_intervals_of_many_things_are_plain_expanded() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    assert expanded(values, 10**6) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-3)


def test_no_interval_of_two_things_or_of_mostly_nothing() -> None:
    assert expanded(np.ones(10), 2) is None
    assert expanded(np.asarray([math.nan] * 6 + [1.0] * 4), 9) is None
    assert interval_of_mean([]) is None


def test_permutations_are_permutations() -> None:
    orders = shuffled(4)
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert {tuple(order) for order in orders} == set(itertools.permutations(range(4)))


def test_p_counts_the_observed_value_and_ties() -> None:
    assert p_value(1.0, [0.0] * 99) == 0.01
    assert p_value(0.0, [0.0] * 99) == 1.0
    assert p_value(0.3, [0.1 + 0.2]) == 1.0


def test_the_bootstrap_over_pairs_equals_loops_over_models() -> None:
    names = ("a", "b", "c", "d", "e")
    source = random.Random(3)
    table = rates(
        matrix("fgsm", dict.fromkeys(names), lambda *_: source.choice([None, 10, 50, 90])), names
    )
    found = []
    for row in resampled(len(names)):
        drawn = [place for place, times in enumerate(row) for _ in range(int(times))]
        values = [table[i, j] for i in drawn for j in drawn if np.isfinite(table[i, j])]
        found.append(fmean(values) if values else math.nan)
    expected = expanded(np.asarray(found), len(names))
    assert interval_over_pairs(table) == pytest.approx(expected)
