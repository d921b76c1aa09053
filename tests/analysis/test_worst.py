"""The worst case over stored rows: by hand, and as the union worked out by a plain loop."""

from __future__ import annotations

import math
from typing import Any

import pytest
from boards import Shown, leaderboard, results
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analysis.budgets import parsed, weakest
from harness.analysis.compare import compare
from harness.analysis.worst import trial_of
from harness.api import Status
from harness.api.attacked import OutcomeRow
from harness.errors import ConfigError
from harness.report.leaderboard import footnotes, presentation


def attack(name: str, norm: str, budget: float | None = None, **changes: Any) -> dict[str, Any]:
    goals = ["untargeted", "random"]
    return {"name": name, "label": name, "norm": norm, "budget": budget, "goals": goals, **changes}


PGD, APGD = attack("pgd", "linf", 0.3), attack("apgd", "linf", 0.3)
FMN, SEARCH, CW = attack("fmn", "linf"), attack("search", "linf"), attack("cw", "l2")
LARGER = attack("fgsm", "linf", 0.5)
ALL = [PGD, APGD, FMN, SEARCH, CW, LARGER]
ROWS = {
    "pgd": ["r", 0.3, "r", "e", "r", "w", None],
    "apgd": [0.3, 0.3, "r", "r", None, "w", 0.3],
    "fmn": [0.2, 0.4, 0.6, "e", 0.1, "w", "r"],
    "search": [0.1, "r", 0.7, 0.5, 0.2, "w", None],
    "cw": [1.0] * 7,
    "fgsm": ["r"] * 7,
}


@pytest.fixture
def bench7(bench: Any, define: Any) -> Any:
    """One model on seven images, one of them misclassified."""
    bench.run(define("a", ALL), 7)
    bench.clean("a", [True] * 5 + [False, True])
    for each in ALL:
        bench.attack(
            "a", ROWS[each["name"]], attack=each["name"], goal="untargeted", norm=each["norm"],
            budget=each["budget"],
        )  # fmt: skip
    return bench


def statuses(bench: Any, asked: str, **choice: Any) -> list[Any]:
    """Of each image the status, and its distance if it is broken."""
    at = choice.pop("at", None)
    trial = trial_of(results(bench.sql), asked, "untargeted", at and parsed(at))
    found = sorted(trial.outcomes("a").items())
    norm = trial.attack.norm
    return [row and (row.distortion(norm) or row.status.value) for _, row in found]


def test_at_a_budget_what_any_attack_broke_is_broken(bench7: Any) -> None:
    found = statuses(bench7, "worst:pgd,apgd")
    assert found == [0.3, 0.3, "robust", "error", None, "clean_wrong", 0.3]
    # The distance of an attack without a budget counts within that of the others.
    found = statuses(bench7, "worst:*pgd,fmn")
    assert found == [0.2, 0.3, "robust", "error", 0.1, "clean_wrong", 0.3]


def test_without_a_budget_the_smallest_distance_counts(bench7: Any) -> None:
    found = statuses(bench7, "worst:fmn,search")
    assert found == [0.1, 0.4, 0.6, 0.5, 0.1, "clean_wrong", None]
    board = leaderboard(bench7.sql, attack="worst:fmn,search", goal="untargeted")
    assert not board.trial.attack.fixed
    assert board.trial.attack.label == "worst case of 2 attacks in linf"
    assert Shown(board, "a").attack.mean == pytest.approx((0.1 + 0.4 + 0.6 + 0.5 + 0.1) / 5)
    assert Shown(board, "a").attack.forwards == pytest.approx(20)
    assert statuses(bench7, "worst:fmn,search", at="0.45")[:4] == [0.1, 0.4, "robust", "error"]


def test_every_board_works_on_it(bench7: Any) -> None:
    board = leaderboard(bench7.sql, attack="worst:*pgd,fmn", goal="untargeted")
    (record,) = presentation(board).records
    assert (record["broken"], record["missing"], record["errors"]) == (4, 0, 1)
    assert record["robust_accuracy fmn at linf 0.3"] is not None
    assert "fmn at linf 0.3" in "\n".join(footnotes(board))
    bench7.clean("b", [True] * 7)
    for each in (PGD, APGD):
        bench7.attack("b", ["r"] * 7, attack=each["name"], goal="untargeted", budget=0.3)
    bench7.commit()
    found = compare(results(bench7.sql), "a", "b", attack="worst:*pgd", goal="untargeted")
    titles = dict.fromkeys(row.title for row in found.rows)
    assert list(titles) == ["", "pgd", "apgd", "worst case of 2 attacks at linf 0.3"]


def test_a_single_match_is_itself_and_what_has_not_run_is_named(bench: Any, define: Any) -> None:
    bench.run(define("a", [PGD, APGD]), 2)
    bench.clean("a", [True, True])
    bench.attack("a", ["r", 0.3], attack="pgd", goal="untargeted", budget=0.3)
    board = leaderboard(bench.sql, attack="worst:*", goal="untargeted")
    assert board.trial.attack.label == "pgd"
    assert "no results for goal untargeted, so not counted: apgd" in board.notes


def test_images_that_not_all_take_do_not_count(bench: Any, define: Any) -> None:
    bench.run(define("a", [PGD, APGD]), 3)
    bench.clean("a", [True] * 3)
    bench.attack("a", ["r", "r", 0.3], attack="pgd", goal="untargeted", budget=0.3)
    bench.attack("a", ["r", 0.3], attack="apgd", goal="untargeted", budget=0.3)
    assert statuses(bench, "worst:pgd,apgd") == ["robust", 0.3]


def test_rows_of_another_seed_or_other_weights_do_not_count(bench: Any, define: Any) -> None:
    bench.run(define("a", [PGD, APGD]), 2)
    bench.clean("a", [True, True])
    old = {"goal": "untargeted", "budget": 0.3}
    bench.attack("a", [0.3, "r"], attack="pgd", **old)
    bench.attack("a", ["r", 0.3], attack="pgd", **old, seed=1)
    bench.attack("a", ["r", "r"], attack="apgd", **old)
    assert statuses(bench, "worst:pgd,apgd") == [0.3, "robust"]
    bench.attack("a", ["r", "r"], attack="apgd", **old, weights="2")
    assert statuses(bench, "worst:pgd,apgd") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("worst:pgd,cw", "a worst case of several norms: linf (pgd), l2 (cw)"),
        ("worst:pgd,fgsm", "a worst case of several budgets: 0.3 (pgd), 0.5 (fgsm)"),
        ("worst:pgd,apgf", "did you mean 'apgd'"),
        ("worst:", "unknown attack"),
    ],
)
def test_what_does_not_go_together_is_one_line(bench7: Any, asked: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        leaderboard(bench7.sql, attack=asked, goal="untargeted")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_goals_and_budgets_that_not_all_have(bench7: Any) -> None:
    with pytest.raises(ConfigError, match="goal of all these attacks"):
        leaderboard(bench7.sql, attack="worst:pgd,apgd", goal="least-likely")
    with pytest.raises(ConfigError, match="no attack of pgd,apgd has results for goal random"):
        leaderboard(bench7.sql, attack="worst:pgd,apgd")
    with pytest.raises(ConfigError, match=r"pgd looked at linf 0\.3 alone"):
        leaderboard(bench7.sql, attack="worst:pgd,fmn", goal="untargeted", at=parsed("0.1"))
    with pytest.raises(ConfigError, match="`leaderboard` and `compare` take worst cases"):
        results(bench7.sql).trial("worst:pgd,apgd")


ROW = st.one_of(
    st.none(),
    st.sampled_from(["robust", "error", "invalid"]),
    st.sampled_from([0.1, 0.2, 0.3, 0.4]),
)


def outcome(value: str | float | None) -> OutcomeRow | None:
    if value is None:
        return None
    if isinstance(value, str):
        return OutcomeRow(Status(value), False, 9.0, 9.0, 9.0, 9, None, 3, 2, None)
    return OutcomeRow(Status.BROKEN, True, value, 9.0, 9.0, 9, None, 3, 2, None)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=st.lists(st.lists(ROW, min_size=1, max_size=4), min_size=1, max_size=6))
def test_it_is_the_union_by_hand(table: list[list[Any]]) -> None:
    for values in table:
        found = weakest([outcome(value) for value in values], "linf")
        sizes = [value for value in values if isinstance(value, float)]
        if sizes:
            assert found is not None
            assert (found.status, found.linf) == (Status.BROKEN, min(sizes))
        elif None in values:
            assert found is None
        else:
            assert found is not None
            assert found.status.failed == any(value != "robust" for value in values)
            assert math.isclose(found.forwards, 3 * len(values))
