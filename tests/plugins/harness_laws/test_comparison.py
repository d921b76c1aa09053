"""Verdicts on laws whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from harness.api.frontier import Point, pareto
from harness_laws.comparison import FEWEST, compare, compare_frontier, judged
from harness_laws.fits import LAWS, LawName

TRUE = {
    "constant": lambda e: np.full_like(e, 0.03),
    "log-linear": lambda e: 0.062 + 0.029 * np.log(e),
    "power": lambda e: 0.08 * e**1.2,
    "piecewise": lambda e: 0.03 + 0.04 * np.maximum(np.log(e) + 1.1, 0),
    "isotonic": lambda e: 0.012 + 0.03 / (1 + np.exp(-9 * (np.log(e) + 1.15))),
}


def points(law: str, models: int, scatter: float, seed: int = 0) -> list[Point]:
    random = np.random.default_rng(seed)
    errors = random.uniform(0.17, 0.6, models).round(3)
    values = TRUE[law](errors) * np.exp(scatter * random.standard_normal(models))
    return [
        Point(f"m{i}", 1000 - 1000 * e, 1000, float(y))
        for i, (e, y) in enumerate(zip(errors, values, strict=True))
    ]


@pytest.mark.parametrize("law", LAWS)
def test_the_true_law_of_many_models_is_preferred(law: LawName) -> None:
    found = [compare(points(law, 120, 0.04, seed)).preferred for seed in range(4)]
    assert found.count(law) >= 3
    assert set(found) <= {law, None}


def test_few_models_with_much_scatter_decide_nothing() -> None:
    found = [compare(points("log-linear", 18, 0.2, seed)) for seed in range(8)]
    assert sum(each.decision == "not distinguishable" for each in found) >= 6
    assert all(each.needed is None or each.needed > 18 for each in found)


def test_too_few_models_are_not_compared() -> None:
    found = compare(points("log-linear", FEWEST - 1, 0))
    assert (found.tried, found.decision, found.needed) == ((), "not enough data", FEWEST)


@pytest.mark.parametrize("proportional", [True, False])
def test_errors_are_scikit_learns(proportional: bool) -> None:
    board = points("log-linear", 30, 0.1)
    if not proportional:  # scatter of the same size everywhere, and as large as the least values
        random = np.random.default_rng(0)
        board = [replace(p, robustness=p.robustness + random.normal(0, 0.02)) for p in board]
    logs = np.log([point.error for point in board])[:, None]
    values = np.array([point.robustness for point in board])
    sizes = np.ones(30)
    if proportional:
        sizes = np.exp(np.polyval(np.polyfit(logs[:, 0], np.log(values), 2), logs[:, 0]))
    predicted = cross_val_predict(
        LinearRegression(), logs, values, cv=LeaveOneOut(), params={"sample_weight": sizes**-2}
    )
    found = compare(board)
    assert found.proportional == proportional
    (mine,) = (each for each in found.tried if each.law == "log-linear")
    assert mine.error == pytest.approx(np.sqrt((((values - predicted) / sizes) ** 2).mean()))


def test_the_frontier_is_chosen_anew_without_each_member() -> None:
    random = np.random.default_rng(3)
    board = points("log-linear", 14, 0)
    under = [
        Point(f"u{i}", p.correct - 1, 1000, p.robustness * random.uniform(0.9, 0.99))
        for i, p in enumerate(board)
    ]
    members = pareto([*board, *under])
    found = compare_frontier([*board, *under])
    assert found.models == len(members) == 14
    errors = {each.law: each.error for each in found.tried}
    # Without a member its shadow comes in: the law of 14 exact models would have no error at all.
    assert compare(board).tried[0].error < 1e-12
    assert 1e-6 < errors["log-linear"] < 1e-3
    assert compare_frontier(under[:5]).decision == "not enough data"


def test_members_may_not_be_what_is_excluded() -> None:
    board = points("log-linear", 12, 0)
    lucky = Point("lucky", 990, 1000, 1.0, excluded="a few images")
    assert compare_frontier([*board, lucky]) == compare_frontier(board)


def test_what_bends_more_has_to_predict_better() -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal(50)
    alike = noise * (1 + 0.01 * random.standard_normal(50))
    worse = noise + 3 * random.standard_normal(50)
    found = judged({"constant": worse, "log-linear": alike, "power": worse, "isotonic": noise})
    assert (found.decision, found.preferred) == ("preferred", "log-linear")
    tie = judged({"constant": worse, "log-linear": alike, "power": noise})
    assert (tie.decision, tie.candidates) == ("not distinguishable", tuple(
        law for law in (each.law for each in tie.tried) if law != "constant"
    ))  # fmt: skip


def test_the_odds_and_the_number_of_models_that_would_tell() -> None:
    """(models - 4) ln(ratio of mean squares): 6 are 20 to 1, and grow with the models."""
    base = np.ones(40)
    for ratio in (1.04, 1.12, 1.2):
        found = judged({"log-linear": base, "power": base * np.sqrt(ratio)})
        odds = 36 * np.log(ratio)
        assert found.tried[1].odds == pytest.approx(odds)
        assert found.tried[1].standing == ("as good", "open", "worse")[int(odds > 3) + (odds > 6)]
        if odds < 6:
            assert (found.decision, found.needed) == (
                "not distinguishable", 4 + np.ceil(6 / np.log(ratio))
            )  # fmt: skip
        else:
            assert (found.preferred, found.needed) == ("log-linear", None)


def test_what_predicts_exactly_is_preferred_to_what_does_not() -> None:
    found = judged({"constant": np.full(9, 0.1), "log-linear": np.zeros(9)})
    assert (found.preferred, found.tried[1].odds) == ("log-linear", np.inf)
