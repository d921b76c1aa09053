"""Robust accuracy at a budget that is read off stored distortions, and under several attacks."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from boards import leaderboard, results
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.budgets import parsed, row_at, weakest, within
from harness.analysis.compare import compare
from harness.api import Status
from harness.api.attacked import OutcomeRow
from harness.errors import ConfigError
from harness.library.results import results as stored_results
from harness.report.leaderboard import footnotes, presentation


def attack(name: str, norm: str, budget: float | None = None, **changes: Any) -> dict[str, Any]:
    goals = ["untargeted", "random"]
    return {"name": name, "label": name, "norm": norm, "budget": budget, "goals": goals, **changes}


IFGSM, CW, FGSM = attack("ifgsm", "linf"), attack("cw", "l2"), attack("fgsm", "linf", 0.3)
ROWS = {
    "ifgsm": [0.1, 0.2, 0.3, "r", "w", 0.05],
    "cw": [1.0, 3.0, "r", 0.5, "w", 2.0],
    "fgsm": ["r", 0.3, 0.3, 0.3, "w", 0.3],
}


@pytest.fixture
def bench6(bench: Any, define: Any) -> Any:
    """One model on six images, one of them misclassified, under three attacks."""
    bench.run(define("a", [IFGSM, CW, FGSM]), 6)
    bench.clean("a", [True] * 4 + [False, True])
    for each in (IFGSM, CW, FGSM):
        bench.attack(
            "a", ROWS[each["name"]], attack=each["name"], goal="untargeted", norm=each["norm"],
            budget=each["budget"],
        )  # fmt: skip
    return bench


def robust(bench: Any, at: str, **choice: Any) -> float | None:
    (record,) = presentation(leaderboard(bench.sql, at=parsed(at), **choice)).records
    share: float | None = record["robust_accuracy"]
    return share


@pytest.mark.parametrize(
    ("at", "choice", "images"),
    [
        ("0.15", {}, 3),  # 0.2, 0.3 and the failed attack; the misclassified image never counts
        ("0.1", {}, 3),  # a perturbation as large as the budget is within it
        ("1/4", {}, 2),
        ("0.04", {}, 5),
        ("1", {}, 1),
        ("1", {"attack": "cw"}, 3),
        ("0.3", {"attack": "fgsm"}, 1),  # its own budget
        ("linf=0.15", {"attack": "ifgsm"}, 3),
        ("linf=0.3", {}, 0),  # FGSM speaks there too, and broke what I-FGSM could not
        ("linf=0.3", {"attack": "ifgsm"}, 1),
        ("linf=0.15,l2=1", {}, 2),  # broken by I-FGSM: 0 and 5; by C&W: 0 and 3
        ("l2=0.6,linf=0.15", {"attack": "cw,ifgsm"}, 2),
    ],
)
def test_by_hand(bench6: Any, at: str, choice: dict[str, str], images: int) -> None:
    assert robust(bench6, at, **choice) == images / 6


def test_norms_stand_beside_their_union(bench6: Any) -> None:
    board = leaderboard(bench6.sql, at=parsed("linf=0.15,l2=1"))
    found = presentation(board)
    (record,) = found.records
    assert record["robust_accuracy linf 0.15"] == 3 / 6
    assert record["robust_accuracy l2 1"] == 3 / 6
    assert record["robust_accuracy"] == 2 / 6
    assert (record["attacked"], record["clean_wrong"], record["broken"]) == (5, 1, 3)
    headings = [column.heading for column in found.columns]
    for heading in ("robust accuracy (95% CI)", "robust accuracy, l2 1"):
        assert heading in headings
    assert not {"mean", "median"} & set(headings)
    assert "under each of 2 attacks: ifgsm at linf 0.15, cw at l2 1" in "\n".join(footnotes(board))
    assert found.table is not None
    assert found.table.selection["at"] == {"linf": 0.15, "l2": 1}
    assert found.table.more["members"] == ["ifgsm at linf 0.15", "cw at l2 1"]


def test_smallest_distances_together_have_no_robust_accuracy(bench: Any, define: Any) -> None:
    mim = attack("mim", "linf")
    bench.run(define("a", [IFGSM, mim]), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", [0.1, "r"], goal="untargeted")
    bench.attack("a", [0.05, 0.2], attack="mim", goal="untargeted")
    worst = leaderboard(bench.sql, attack="worst:ifgsm,mim", goal="untargeted")
    (record,) = presentation(worst).records
    assert [value for key, value in record.items() if "robust_accuracy" in key] == [None] * 5
    (record,) = presentation(leaderboard(bench.sql, at=parsed("linf=.15"))).records
    assert record["robust_accuracy"] == 1 / 2
    assert record["robust_accuracy ifgsm at linf 0.15"] == 1 / 2
    assert record["robust_accuracy mim at linf 0.15"] == 1 / 2


def test_the_goal_is_untargeted_where_it_has_results(bench6: Any) -> None:
    bench6.attack("a", [9.0] * 6, attack="cw", norm="l2", goal="random")
    assert leaderboard(bench6.sql, attack="cw").trial.goal == "random"
    assert leaderboard(bench6.sql, attack="cw", at=parsed("1")).trial.goal == "untargeted"
    assert leaderboard(bench6.sql, at=parsed("l2=1")).trial.goal == "untargeted"
    assert robust(bench6, "1", attack="cw", goal="random") == 1


def test_what_an_attack_has_not_tried_is_missing_and_has_bounds(bench: Any, define: Any) -> None:
    bench.run(define("a", [IFGSM, CW]), 4)
    bench.clean("a", [True] * 4)
    bench.attack("a", [0.1, "r", "r", "r"], goal="untargeted")
    bench.attack("a", [3.0, 3.0, "e", None], attack="cw", norm="l2", goal="untargeted")
    (record,) = presentation(leaderboard(bench.sql, at=parsed("linf=.2,l2=1"))).records
    # Of three images with outcomes of both one is broken, one robust, one has an error.
    assert (record["robust_accuracy"], record["missing"], record["errors"]) == (1 / 3, 1, 1)
    assert (record["robust_accuracy_at_least"], record["robust_accuracy_at_most"]) == (1 / 4, 3 / 4)
    assert record["status"] == "incomplete"


def test_other_weights_are_not_united(bench: Any, define: Any) -> None:
    bench.run(define("a", [IFGSM, CW]), 2)
    for weights in ("", "2"):
        bench.clean("a", [True] * 2, weights=weights)
    bench.attack("a", ["r", "r"], goal="untargeted")
    bench.attack("a", ["r", "r"], attack="cw", norm="l2", goal="untargeted", weights="2")
    board = leaderboard(bench.sql, at=parsed("linf=.2,l2=1"))
    (record,) = presentation(board).records
    assert (record["robust_accuracy"], record["status"]) == (None, "not run")
    assert "of other weights or data, so not counted: a under ifgsm" in "\n".join(footnotes(board))


def test_the_default_goal_has_results_in_every_norm(bench: Any, define: Any) -> None:
    bench.run(define("a", [IFGSM, CW]), 2)
    bench.clean("a", [True] * 2)
    for goal in ("untargeted", "random"):
        bench.attack("a", ["r", 0.1], goal=goal)
    bench.attack("a", ["r", "r"], attack="cw", norm="l2", goal="random")
    assert leaderboard(bench.sql, at=parsed("linf=.2")).trial.goal == "untargeted"
    assert leaderboard(bench.sql, at=parsed("linf=.2,l2=1")).trial.goal == "random"


def test_other_weights_are_not_united_within_a_norm_either(bench: Any, define: Any) -> None:
    mim = attack("mim", "linf")
    bench.run(define("a", [IFGSM, mim, CW]), 2)
    for weights in ("", "2"):
        bench.clean("a", [True] * 2, weights=weights)
    bench.attack("a", [0.1, 0.1], goal="untargeted")
    bench.attack("a", [0.1, 0.1], attack="mim", goal="untargeted")
    bench.attack("a", ["r", "r"], attack="cw", norm="l2", goal="untargeted", weights="2")
    (record,) = presentation(leaderboard(bench.sql, at=parsed("linf=.2,l2=1"))).records
    assert (record["robust_accuracy"], record["status"]) == (None, "not run")


def test_only_images_that_all_attacks_take_count(bench: Any, define: Any) -> None:
    bench.run(define("a", [IFGSM, CW]), 4)
    bench.clean("a", [True] * 4)
    bench.attack("a", [0.1, "r", 0.1, 0.1], goal="untargeted")
    bench.attack("a", [3.0, 3.0], attack="cw", norm="l2", goal="untargeted")
    board = leaderboard(bench.sql, at=parsed("linf=.2,l2=1"))
    (record,) = presentation(board).records
    assert (record["robust_accuracy"], record["images"], record["complete"]) == (1 / 2, 2, True)
    assert record["robust_accuracy linf 0.2"] == 1 / 2
    assert "2 of 4 (model, image) pairs count" in "\n".join(footnotes(board))


@pytest.mark.parametrize(
    ("at", "choice", "message"),
    [
        ("0.1", {"attack": "fgsm"}, "fgsm looked at linf 0.3 alone: it cannot say what is robust"),
        ("linf=0.1", {"attack": "fgsm"}, "no attack with results says what is robust at linf 0.1"),
        ("l1=12", {}, "no attack with results says what is robust at l1 12"),
        ("l2=1", {"attack": "cv"}, "did you mean 'cw'"),
        ("1", {"attack": "cw", "sort": "distortion"}, "has a fixed budget"),
    ],
)
def test_what_cannot_be_said_is_refused(
    bench6: Any, at: str, choice: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        leaderboard(bench6.sql, at=parsed(at), **choice)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4/255", {None: 4 / 255}),
        ("1e-3", {None: 0.001}),
        (0.5, {None: 0.5}),
        ("linf=8/255, l2=.5", {"linf": 8 / 255, "l2": 0.5}),
    ],
)
def test_budgets(text: str, found: dict[str | None, float]) -> None:
    assert parsed(text) == found


@pytest.mark.parametrize(
    "text", ["", "x", "0", "-1", "4/0", "nan", "inf", "1,2", "1,l2=1", "l2=1,l2=2", "l3=1", "l2="]
)
def test_no_budgets(text: str) -> None:
    with pytest.raises(ConfigError, match="--at"):
        parsed(text)


def test_two_models_at_a_budget(bench6: Any, define: Any) -> None:
    bench6.run(define("ab", [IFGSM, CW, FGSM]), 6)
    bench6.clean("b", [True] * 6)
    bench6.attack("b", [0.3, 0.3, 0.1, 0.1, "r", 0.3], goal="untargeted")
    bench6.attack("b", ["r"] * 6, attack="cw", norm="l2", goal="untargeted")
    found = compare(results(bench6.sql), "a", "b", at=parsed("linf=0.15,l2=1"))
    rows = {row.title: row for row in found.rows if row.kind == "robust accuracy"}
    assert list(rows) == ["ifgsm at linf 0.15", "cw at l2 1", "union of linf 0.15, l2 1"]
    both = rows["union of linf 0.15, l2 1"]
    # Robust: of a images 1 and 2; of b 0, 1, 4 and 5; image 4, which a misclassifies, counts.
    assert (both.images, both.first, both.second) == (6, 2 / 6, 4 / 6)
    assert both.discordant is not None
    assert (both.discordant.first, both.discordant.second) == (1, 3)
    assert both.discordant.p == pytest.approx(2 * (1 + 4) / 2**4)
    assert both.difference is not None
    assert both.difference.mean == pytest.approx(-2 / 6)
    assert not [row for row in found.rows if row.kind in ("distortion", "score")]


def test_a_fixed_budget_is_compared_by_robust_accuracy_too(bench6: Any, define: Any) -> None:
    bench6.run(define("ab", [FGSM]), 6)
    bench6.clean("b", [True] * 6)
    bench6.attack("b", ["r"] * 6, attack="fgsm", budget=0.3, goal="untargeted")
    rows = compare(results(bench6.sql), "a", "b", attack="fgsm", goal="untargeted").rows
    assert [(row.kind, row.images, row.first) for row in rows] == [
        ("accuracy", 6, 5 / 6),
        ("success", 5, 4 / 5),
        ("robust accuracy", 6, 1 / 6),
    ]


def test_the_command_line(bench6: Any, harness: Any) -> None:
    db = ("--db", bench6.path)
    asked = ("leaderboard", *db, "--at", "linf=0.15,l2=1")
    whole = json.loads(harness(*asked, "--format", "json").out)
    (row,) = whole["rows"]
    assert row["robust_accuracy"] == pytest.approx(2 / 6)
    assert whole["selection"]["at"] == {"linf": 0.15, "l2": 1}
    names = "model,robust_accuracy,robust_accuracy l2 1"
    shown = harness(*asked, "--format", "csv", "--columns", names).out.splitlines()
    assert shown == [names, f"a,{2 / 6},{3 / 6}"]
    assert "| robust accuracy, l2 1 |" in harness(*asked, "--format", "md").out
    for flag in ("--joint", "--attacks"):
        assert (done := harness(*asked, flag)).code == 2
        assert "--at" in done.err
    done = harness("leaderboard", *db, "--at", "four")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "'four' is not a budget; a number above 0, such as 4/255 or 0.5" in done.err


def test_from_python(bench6: Any) -> None:
    suite = stored_results(bench6.path).suite()
    (row,) = suite.leaderboard(at="linf=0.15,l2=1")
    assert row["robust_accuracy"] == 2 / 6
    (row,) = suite.leaderboard("cw", at=0.6)
    assert row["robust_accuracy"] == 4 / 6


def test_an_export_for_the_hub_has_it_too(bench6: Any, harness: Any, tmp_path: Any) -> None:
    task = ("--benchmark", "acme/dots", "--task", "union", "-o", "hub")
    done = harness("models", "eval-results", *task, "--db", bench6.path, "--at", "linf=0.15,l2=1")
    assert done.code == 0, done.err
    text = (tmp_path / "hub" / "a" / ".eval_results" / "union.yaml").read_text()
    assert f"value: {2 / 6}" in text
    assert "union of linf 0.15, l2 1" in text


def outcome(status: Status, linf: float = 0.0) -> OutcomeRow:
    return OutcomeRow(status, False, linf, linf, linf, linf, None, 1, 1, None)


OUTCOMES = st.one_of(
    st.builds(outcome, st.sampled_from(list(Status)[:5]), st.floats(0.001, 1)), st.none()
)


def share(rows: list[OutcomeRow | None]) -> float:
    return sum(row is not None and row.status is Status.ROBUST for row in rows) / len(rows)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(OUTCOMES, OUTCOMES), min_size=1, max_size=12),
    st.floats(0.0005, 1.1),
    st.floats(0.0005, 1.1),
)
def test_larger_budgets_and_more_attacks_leave_no_more_robust(
    drawn: list[tuple[OutcomeRow | None, OutcomeRow | None]], one: float, other: float
) -> None:
    def at(budget: float, which: int) -> list[OutcomeRow | None]:
        return [row and row_at(row, "l2", budget) for row in (pair[which] for pair in drawn)]

    small, large = sorted((one, other))
    union = [weakest(rows) for rows in zip(at(small, 0), at(large, 1), strict=True)]
    for which in (0, 1):
        assert share(at(large, which)) <= share(at(small, which))
    assert share(union) <= min(share(at(small, 0)), share(at(large, 1)))
    # What is not robust is exactly what some attack broke, could not judge, or did not try.
    for pair, row in zip(zip(at(small, 0), at(large, 1), strict=True), union, strict=True):
        assert (row is not None and row.status is Status.ROBUST) == all(
            each is not None and each.status is Status.ROBUST for each in pair
        )


def test_a_budget_has_the_tolerance_of_the_engines_verdicts() -> None:
    assert within(0.1 * (1 + 9e-7), "l2", 0.1)
    assert not within(0.1 * (1 + 2e-6), "l2", 0.1)
    assert within(math.nextafter(4 / 255, 1), "linf", 4 / 255)
    assert within(4 / 255 + 2.0**-25, "linf", 4 / 255)  # the float32 nearest to the ball's face
    assert not within(4 / 255 + 2.0**-23, "linf", 4 / 255)
