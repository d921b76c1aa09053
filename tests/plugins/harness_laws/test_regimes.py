"""How many regimes, of boards whose number is known; likelihoods against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.mixture import GaussianMixture

from harness_laws.declared import declared
from harness_laws.mixture import FEWEST, _mixture, regimes

HEIGHTS = (1, 4, 12)


def board(count: int, models: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Models in turn of regimes far apart; the second loses nothing with accuracy."""
    random = np.random.default_rng(seed)
    errors = random.uniform(0.17, 0.6, models)
    which = np.arange(models) % count
    slopes = np.array([0.03, 0.0, 0.02])[which]
    values = np.array(HEIGHTS)[which] * (0.062 + slopes * np.log(errors))
    values *= np.exp(0.1 * random.standard_normal(models))
    return errors, values, [f"training {each}" for each in which]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_true_number_is_found(count: int) -> None:
    for seed in range(3):
        errors, values, _ = board(count, 48, seed)
        found = regimes(errors, values)
        assert (found.count, found.decided) == (count, True)
        truth = np.arange(48) % count
        assert np.mean(np.array(found.members) == truth) > 0.95


@pytest.mark.parametrize("bent", [lambda e: 0.03 / (1 + np.exp(-9 * (np.log(e) + 1.15))) + 0.01,
                                  lambda e: 0.08 * e**1.2])  # fmt: skip
def test_one_bent_law_is_one_regime(bent: object) -> None:
    random = np.random.default_rng(2)
    errors = random.uniform(0.17, 0.6, 60)
    values = bent(errors) * np.exp(0.08 * random.standard_normal(60))  # type: ignore[operator]
    assert regimes(errors, values).count == 1


def test_few_models_are_not_counted() -> None:
    errors, values, _ = board(1, FEWEST - 1, 0)
    found = regimes(errors, values)
    assert (found.criteria, found.decided) == ({}, False)
    assert not regimes(*board(1, 0, 0)[:2]).decided
    assert not regimes(np.full(30, 0.2), np.arange(30.0)).decided


def test_who_knows_the_scatter_takes_no_chance_split_for_regimes() -> None:
    for seed in range(4):
        errors, values, _ = board(1, 18, seed)
        found = regimes(errors, values, scatter=0.1)
        assert (found.count, found.decided) == (1, True)
    two = regimes(*board(2, 18, 0)[:2], scatter=0.1)
    assert (two.count, two.decided) == (2, True)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 5), st.floats(1e-3, 1e3))
def test_neither_order_nor_unit_matter(seed: int, unit: float) -> None:
    errors, values, _ = board(2, 30, seed)
    order = np.random.default_rng(seed).permutation(30)
    one, other = regimes(errors, values), regimes(errors[order], unit * values[order])
    assert (one.count, one.decided) == (other.count, other.decided)
    assert np.array(one.members)[order].tolist() == list(other.members)


def test_a_mixture_of_constants_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(1, 0.1, 30), random.normal(2, 0.1, 20)])
    likelihood, shares = _mixture(np.ones((50, 1)), values, 2, proportional=False) or (0, None)
    oracle = GaussianMixture(2, covariance_type="tied", tol=1e-9, max_iter=500, reg_covar=0)
    oracle.fit(values[:, None])
    assert likelihood == pytest.approx(50 * oracle.score(values[:, None]), rel=1e-6)
    assert shares is not None
    assert shares.sum(axis=0) == pytest.approx(np.ones(50))


def test_declared_regimes_that_differ_are_told_apart() -> None:
    errors, values, labels = board(2, 24, 0)
    found = declared(errors, values, labels)
    assert found.p is not None
    assert found.p < 0.01
    alone = declared(errors, values, ["standard"] * 23 + ["adversarial"])
    assert (alone.p, alone.left_out) == (None, ("adversarial",))


def test_labels_that_go_with_accuracy_alone_do_not_matter() -> None:
    """p-values of one law, although one regime is less accurate, are not small more often."""
    found = []
    for seed in range(120):
        errors, values, _ = board(1, 24, seed)
        labels = ["adversarial" if error > 0.38 else "standard" for error in errors]
        found.append(declared(errors, values, labels).p)
    share = np.mean([p <= 0.05 for p in found if p is not None])
    low, high = stats.binom.interval(0.999, 120, 0.05)
    assert low / 120 <= share <= high / 120
