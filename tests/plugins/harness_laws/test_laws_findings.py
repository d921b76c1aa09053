"""The findings on hand-made evidence: what they say, and that they fit any suite."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.api import (
    Attacked,
    Evidence,
    ModelFacts,
    OutcomeRow,
    Status,
    SuiteAttack,
    TrialOutcomes,
)
from harness_laws.findings.law import Law
from harness_laws.findings.regimes import Regimes

IMAGES = 200


def attacked(size: float, right: int, broken: int) -> Attacked:
    def row(image: int) -> OutcomeRow:
        status = Status.BROKEN if image < broken else Status.ROBUST
        return OutcomeRow(status, True, size, size, size, size, None, 0, 0, None)

    judged = {image: row(image) for image in range(right)}
    counts = Counter(each.status for each in judged.values())
    counts[Status.CLEAN_WRONG] = IMAGES - right
    return Attacked("linf", counts, 0, judged)


def evidence(
    errors: Sequence[float], sizes: Sequence[float], budget: float | None = None,
    training: Sequence[str | None] = (),
) -> Evidence:  # fmt: skip
    """A model for each top-1 error; under a budget ``sizes`` are robust accuracies."""
    outcomes, right, models = {}, {}, {}
    for i, (error, size) in enumerate(zip(errors, sizes, strict=True)):
        name, correct = f"m{i}", round(IMAGES * (1 - error))
        broken = correct if budget is None else correct - round(IMAGES * size)
        outcomes[name] = attacked(budget or size, correct, broken)
        right[name] = {image: image < correct for image in range(IMAGES)}
        models[name] = ModelFacts(name, training=training[i] if training else None)
    attack = SuiteAttack("nearest", "nearest steps=9", "linf", budget, ("random",))
    return Evidence(models, (TrialOutcomes(attack, "random", outcomes, right),), ())


ERRORS = np.linspace(0.1, 0.6, 26).round(2)


def test_a_frontier_on_the_law_prefers_it() -> None:
    (found,) = Law().check(evidence(ERRORS, 0.09 + 0.03 * np.log(ERRORS)))
    assert found.verdict == "holds"
    assert "frontier: log-linear preferred; errors at 26 models left out" in found.figure
    assert any("y = 0.09 +0.03 ln(error)" in line for line in found.details)
    assert found.of == "nearest"


def test_another_law_refutes_it() -> None:
    (found,) = Law().check(evidence(ERRORS, 0.09 * ERRORS**2))
    assert found.verdict == "does not hold"
    assert "power preferred" in found.figure


def test_few_members_decide_nothing() -> None:
    (found,) = Law().check(evidence(ERRORS, 0.09 - 0.03 * np.log(ERRORS)))
    assert found.verdict == "not enough data"
    assert found.figure.endswith("frontier: 1 models, 8 are needed")
    assert any("all models: log-linear preferred" in line for line in found.details)


def test_robust_accuracies_have_a_law_of_all_models() -> None:
    (found,) = Law().check(evidence(ERRORS, 0.1 - 0.2 * np.log(ERRORS), budget=0.01))
    assert "frontier" not in found.figure
    assert found.verdict in ("holds", "not enough data")


def test_declared_regimes_are_told_apart_with_their_fits() -> None:
    training = ["standard", "adversarial"] * 13
    sizes = (0.09 + 0.03 * np.log(ERRORS)) * np.where(np.arange(26) % 2, 5, 1)
    sizes *= np.exp(0.05 * np.random.default_rng(0).standard_normal(26))
    (found,) = Regimes().check(evidence(ERRORS, sizes, training=training))
    assert found.verdict == "holds"
    assert "2 regimes supported by 26 models" in found.figure
    assert "declared standard 13, adversarial 13: permutation p = 0.0" in found.figure
    assert any(line.startswith("training adversarial: mean distortion =") for line in found.details)
    assert any(line.startswith("found regime 1: m0, m2, m4") for line in found.details)
    parts = Law().check(evidence(ERRORS, sizes, training=training))[0].details
    assert any("training standard" in line for line in parts)


def test_one_regime_is_one() -> None:
    sizes = (0.09 + 0.03 * np.log(ERRORS)) * np.exp(
        0.1 * np.random.default_rng(0).standard_normal(26)
    )
    (found,) = Regimes().check(evidence(ERRORS, sizes))
    assert (found.verdict, found.details) == ("does not hold", ())


def test_one_far_model_is_no_regime() -> None:
    """Two regimes cannot be fitted: one of them would have this model alone."""
    errors = ERRORS[:16]
    sizes = 0.09 + 0.03 * np.log(errors) + 1e-4 * np.random.default_rng(0).standard_normal(16)
    sizes[0] += 0.5
    (found,) = Regimes().check(evidence(errors, sizes))
    assert found.verdict == "not enough data"
    assert found.figure.endswith("1 regime likeliest, but not decided by 16 models")


@pytest.mark.parametrize("check", [Law().check, Regimes().check])
@pytest.mark.parametrize("models", [0, 1, 2, 7, 8, 16])
def test_any_suite_is_borne(check: object, models: int) -> None:
    empty = Evidence({}, (), ())
    assert check(empty)[0].verdict == "not enough data"  # type: ignore[operator]
    for sizes in (np.full(models, 0.1), np.linspace(1, 2, models)):
        for errors in (np.full(models, 0.25), np.linspace(0.0, 0.5, models)):
            (found,) = check(evidence(errors, sizes))  # type: ignore[operator]
            assert found.verdict != "holds"
            if found.interval:
                assert all(map(math.isfinite, found.interval))


def test_absent_models_are_named() -> None:
    whole = evidence(ERRORS, 0.09 + 0.03 * np.log(ERRORS))
    (trial,) = whole.trials
    lacking = replace(whole, trials=(replace(trial, absent=("gone",)),))
    for finding in (Law(), Regimes()):
        assert finding.check(lacking)[0].details[-1].endswith("without results: gone")
