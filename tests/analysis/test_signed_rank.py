"""Paired rank tests of two models, and the control of many of them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.mcnemar import mcnemar
from harness.analysis.multiple import adjusted, benjamini_hochberg, holm
from harness.analysis.signed_rank import EXACT, paired, signed_rank

GAPS = st.lists(st.sampled_from([-math.inf, -2.0, -1.0, 0.0, 1.0, 1.5, math.inf]), max_size=9)
SHARES = st.lists(st.floats(0, 1), max_size=12)


@pytest.mark.parametrize("count", [6, 30, EXACT])
def test_few_different_gaps_are_scipys_exact_test(count: int) -> None:
    gaps = np.random.default_rng(count).normal(0.3, 1, count)
    expected = stats.wilcoxon(gaps, method="exact").pvalue
    assert signed_rank(gaps).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_many_gaps_with_ties_are_scipys_normal_test(decimals: int) -> None:
    gaps = np.round(np.random.default_rng(0).normal(0.1, 1, 300), decimals)
    expected = stats.wilcoxon(gaps, method="asymptotic", zero_method="wilcox").pvalue
    assert signed_rank(gaps).p == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(GAPS)
def test_few_gaps_are_every_assignment_of_signs(values: list[float]) -> None:
    """Ties, zeros and infinities; brute force over the signs of scipy's mid-ranks."""
    gaps = np.array([each for each in values if each])
    ranks = stats.rankdata(np.abs(gaps)) if len(gaps) else np.array([])
    found = signed_rank(np.array(values))
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(gaps))
    ]
    above = ranks[gaps > 0].sum() if len(gaps) else 0
    tails = sum(each <= above for each in sums), sum(each >= above for each in sums)
    assert found.p == pytest.approx(min(1, 2 * min(tails) / len(sums)))
    assert (found.images, found.differing) == (len(values), len(gaps))
    assert found.favours == np.sign(above - sum(ranks) / 2)


@given(GAPS)
def test_exchanged_models_have_the_same_p(values: list[float]) -> None:
    one, other = signed_rank(np.array(values)), signed_rank(-np.array(values))
    assert (one.p, one.favours) == (pytest.approx(other.p), -other.favours)


@pytest.mark.parametrize(("wins", "losses"), [(0, 6), (3, 11), (40, 80), (700, 600)])
def test_statuses_are_mcnemars_test(wins: int, losses: int) -> None:
    gaps = np.array([1.0] * wins + [-1.0] * losses + [0.0] * 5)
    assert signed_rank(gaps).p == pytest.approx(mcnemar(wins, losses))


def test_only_images_of_both_count_and_a_failure_is_farther_than_any_distance() -> None:
    first = {1: 0.3, 2: math.inf, 3: math.inf, 4: 0.1, 9: 5.0}
    second = {1: 0.1, 2: 0.4, 3: math.inf, 4: 0.2, 8: 5.0}
    found = paired(first, second)
    # Gaps 0.2, inf, none, -0.1: ranks 2, 3 above and 1 below.
    assert (found.images, found.differing, found.favours) == (4, 3, 1)
    assert found.p == pytest.approx(stats.wilcoxon([0.2, 9, -0.1], method="exact").pvalue)


def test_gaps_that_differ_by_rounding_alone_are_tied() -> None:
    assert signed_rank(np.array([0.3 - 0.1, 0.1 - 0.3, 0.7 - 0.5, 0.9 - 0.7])).p == mcnemar(1, 3)


@given(SHARES)
def test_benjamini_hochberg_is_scipys(values: list[float]) -> None:
    expected = stats.false_discovery_control(values) if values else []
    assert benjamini_hochberg(values) == pytest.approx(list(expected))


@given(SHARES)
def test_holm_rejects_what_the_step_down_procedure_rejects(values: list[float]) -> None:
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[index] * (len(values) - step) > 0.05:
            break
        rejected.add(index)
    assert {i for i, p in enumerate(holm(values)) if p <= 0.05} == rejected
    assert all(p >= own for p, own in zip(holm(values), values, strict=True))


@pytest.mark.parametrize("control", ["holm", "bh"])
@given(values=SHARES, random=st.randoms())
def test_the_order_of_tests_changes_nothing(
    control: str, values: list[float], random: object
) -> None:
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = adjusted([values[i] for i in order], control)  # type: ignore[arg-type]
    plain = adjusted(values, control)  # type: ignore[arg-type]
    assert mixed == pytest.approx([plain[i] for i in order])
