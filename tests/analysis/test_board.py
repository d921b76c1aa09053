from __future__ import annotations

import json
import math
from typing import Any

import pytest
from boards import Shown, leaderboard

from harness.analysis.leaderboard import Leaderboard
from harness.errors import ConfigError
from harness.plugins import Catalog, Kind, Registration, installed
from harness.report.leaderboard import footnotes, presentation

RIGHT = [True] * 10
FGSM = {
    "name": "fgsm",
    "label": "fgsm",
    "norm": "linf",
    "budget": 0.3,
    "goals": ["untargeted", "random"],
    "parameters": {},
}
IFGSM = {**FGSM, "name": "ifgsm", "label": "ifgsm", "budget": None, "goals": ["random"]}


def entry(board: Leaderboard, model: str) -> Shown:
    return Shown(board, model)


def notes(board: Leaderboard) -> str:
    return "\n".join(footnotes(board))


def accurate(errors: int) -> list[bool | None]:
    return [position >= errors for position in range(20)]


def five(bench: Any, define: Any) -> None:
    """Models a..e lie on 1 + ln(1 - x)/10, and f lies 0.1 under it."""
    bench.run(define("abcdef"), 20)
    for model, errors in zip("abcdef", (12, 10, 8, 6, 4, 7), strict=True):
        bench.clean(model, accurate(errors))
        size = 1 + math.log(errors / 20) / 10 - (0.1 if model == "f" else 0)
        wrong = ["w"] * errors
        bench.attack(model, [*wrong, *[size] * (20 - errors)])


def test_a_complete_board(bench: Any, define: Any) -> None:
    five(bench, define)
    board = leaderboard(bench.sql)
    assert board.column.frontier.fit is not None
    assert board.column.frontier.fit.a == pytest.approx(1)
    assert board.column.frontier.fit.b == pytest.approx(0.1)
    assert board.column.frontier.fit.r2 == pytest.approx(1)
    assert [point.name for point in board.column.frontier.members] == list("abcde")
    f = entry(board, "f")
    assert (f.distance, f.on_frontier, f.rank) == (pytest.approx(-0.1), False, 6)
    assert all(entry.complete for entry in board.entries)
    assert (f.family, f.parameters, f.attack.attacked, f.attack.images) == (
        "f family",
        1000,
        13,
        20,
    )
    assert f.accuracy.measured == 13 / 20
    assert "a = 1, b = 0.1, R² = 1.000; 5 members: a, b, c, d, e" in notes(board)


def test_failures_count_in_the_median_and_not_in_the_mean(bench: Any, define: Any) -> None:
    bench.run(define("a"), 6)
    bench.clean("a", [False, *[True] * 5])
    bench.attack("a", ["w", 0.1, 0.3, 0.2, "r", "r"])
    found = entry(leaderboard(bench.sql), "a")
    assert found.attack.success == 3 / 5
    assert found.attack.mean == pytest.approx(0.2)
    assert found.attack.median == 0.2
    assert found.attack.median_all == 0.3
    assert found.few_successes
    assert found.complete


def test_infinite_median_is_null_and_flagged_in_json(bench: Any, define: Any) -> None:
    bench.run(define("a"), 3)
    bench.clean("a", [True] * 3)
    bench.attack("a", [0.1, "r", "r"])
    (record,) = presentation(leaderboard(bench.sql)).records
    assert record["distortion_median_all"] is None
    assert record["distortion_median_all_infinite"]
    json.dumps(record, allow_nan=False)


def test_robust_accuracy_is_over_all_images_with_an_outcome_under_a_fixed_budget(
    bench: Any, define: Any
) -> None:
    fixed = {"name": "fgsm", "label": "fgsm", "norm": "linf", "budget": 0.3, "goals": ["random"]}
    bench.run(define("a", [fixed, {**fixed, "name": "ifgsm", "label": "ifgsm", "budget": None}]), 6)
    bench.clean("a", [True] * 4 + [False, True])
    for attack, budget, robust, headings in (
        ("fgsm", 0.3, 2 / 5, ["robust accuracy (95% CI)"]),
        ("ifgsm", None, None, []),
    ):
        bench.attack("a", [0.3, "r", "r", "e", "w", None], attack=attack, budget=budget)
        found = presentation(leaderboard(bench.sql, attack=attack))
        (record,) = found.records
        assert (record["robust_accuracy"], record["success"]) == (robust, pytest.approx(1 / 3))
        assert [c.heading for c in found.columns if c.key == "robust_accuracy"] == headings


@pytest.mark.parametrize(("row", "column"), [("i", "invalid"), ("e", "errors"), (None, "missing")])
def test_no_verdict_is_neither_success_nor_failure(
    bench: Any, define: Any, row: str | None, column: str
) -> None:
    bench.run(define("a"), 4)
    bench.clean("a", [True] * 4)
    bench.attack("a", [0.1, "r", 0.1, row])
    board = leaderboard(bench.sql)
    (record,) = presentation(board).records
    assert record["success"] == pytest.approx(2 / 3)
    assert (record["success_at_least"], record["success_at_most"]) == (2 / 4, 3 / 4)
    assert (record[column], record["complete"], record["status"]) == (1, False, "incomplete")
    assert "‡ a: of 4 images 1" in notes(board)
    assert "success rate between 50.0% and 75.0%" in notes(board)


def test_a_missing_image_that_is_misclassified_cannot_change_the_success(
    bench: Any, define: Any
) -> None:
    bench.run(define("a"), 4)
    bench.clean("a", [True, True, False, False])
    bench.attack("a", [0.1, "r", None, None])
    found = entry(leaderboard(bench.sql), "a")
    assert found.attack.count("missing") == 2
    assert not found.complete
    assert found.attack.success_bounds == (0.5, 0.5)


def test_a_failed_clean_prediction_is_missing_from_the_accuracy(bench: Any, define: Any) -> None:
    bench.run(define("a"), 4)
    bench.clean("a", [True, False, None, None])
    bench.attack("a", [0.1, "w", 0.1, 0.1])
    board = leaderboard(bench.sql)
    found = entry(board, "a")
    assert (found.top1, found.accuracy.images, found.accuracy.missing) == (0.5, 2, 2)
    assert not found.complete
    assert "no clean prediction for 2 of 4 images" in notes(board)


def test_models_that_did_not_run_are_shown_and_say_why(bench: Any, define: Any) -> None:
    five(bench, define)
    bench.run(define("abcdefxyz"), 20)
    bench.clean("x", [None] * 20, error="weights are not there")
    bench.clean("y", accurate(5))
    board = leaderboard(bench.sql)
    assert [entry.model for entry in board.entries[-3:]] == ["y", "x", "z"]
    for model in "xyz":
        found = entry(board, model)
        assert (found.status, found.complete, found.rank) == ("not run", False, None)
        assert found.distance is None
    assert entry(board, "y").top1 == 0.75
    assert "‡ x: not run; last error: weights are not there" in notes(board)
    assert "‡ z: not run" in notes(board)
    assert board.column.frontier.fit is not None


def test_a_suite_with_no_attack_results_at_all(bench: Any, define: Any) -> None:
    bench.run(define("ab"), 4)
    bench.clean("a", [True] * 4)
    board = leaderboard(bench.sql)
    assert {place.status for _, place in board.rows} == {"not run"}
    assert (board.trial.attack.label, board.trial.dataset) == ("ifgsm", "dots")
    assert "no frontier fit" in notes(board)
    json.dumps(presentation(board).records, allow_nan=False)


def test_no_success_has_no_distortion_and_is_said(bench: Any, define: Any) -> None:
    bench.run(define("a"), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", ["r", "r"])
    board = leaderboard(bench.sql)
    found = entry(board, "a")
    assert (found.attack.success, found.attack.mean, found.distance) == (0, None, None)
    assert found.attack.median_all == math.inf
    assert "no success, so no distortion and no place in the fit: a" in notes(board)


def test_a_larger_limit_asks_for_more_images(bench: Any, define: Any) -> None:
    bench.run(define("a"), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", [0.1, 0.1])
    assert entry(leaderboard(bench.sql), "a").complete
    bench.run(define("a"), 4)
    bench.clean("a", [True] * 4)
    bench.attack("a", [0.1, 0.1, None, None])
    found = entry(leaderboard(bench.sql), "a")
    assert (found.complete, found.attack.images, found.attack.count("missing")) == (False, 4, 2)
    bench.run(define("a"), 4)
    bench.clean("a", [True] * 4)
    bench.attack("a", [None, None, 0.3, 0.3], images=3)
    # The last run wants three images only; the one before wanted four, and all are there.
    found = entry(leaderboard(bench.sql), "a")
    assert (found.complete, found.attack.images) == (True, 4)
    assert found.attack.mean == pytest.approx(0.2)


def test_outcomes_that_the_suite_did_not_ask_for_are_ignored(bench: Any, define: Any) -> None:
    bench.run(define("a"), 6, name="other")
    bench.clean("a", RIGHT[:6])
    bench.attack("a", [0.1, 0.1, 0.9, 0.9, 0.9, 0.9])
    bench.run(define("a"), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", [], images=2)
    found = entry(leaderboard(bench.sql), "a")
    assert (found.attack.images, found.attack.mean, found.accuracy.images) == (2, 0.1, 2)
    assert entry(leaderboard(bench.sql, suite="other"), "a").attack.images == 6


def test_a_picture_that_changed_counts_once(bench: Any, define: Any) -> None:
    bench.run(define("a"), 2)
    unreadable = bench.sql.execute(
        "INSERT INTO images (dataset_id, name, digest, label) VALUES (?, '0001', '', 0)",
        (bench.dataset,),
    ).lastrowid
    bench.place(1, unreadable)
    bench.clean("a", [True])
    bench.attack("a", [0.1], images=2)
    assert not entry(leaderboard(bench.sql), "a").complete
    bench.run(define("a"), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", [0.1, 0.1])
    found = entry(leaderboard(bench.sql), "a")
    assert (found.complete, found.attack.images, found.accuracy.images) == (True, 2, 2)


def test_of_two_seeds_the_latest_run_counts(bench: Any, define: Any) -> None:
    for seed, size in ((0, 0.1), (7, 0.7)):
        bench.run(define("ab", seed=seed), 2)
        for model in "ab":
            bench.clean(model, [True] * 2)
            bench.attack(model, [size] * 2, seed=seed)
    # An older run of the shown seed still counts for a model that the latest run leaves out.
    bench.run(define("ab", seed=7), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", [0.7] * 2, seed=7)
    board = leaderboard(bench.sql)
    assert board.trial.seed == 7
    assert [place.robustness for _, place in board.rows] == [pytest.approx(0.7)] * 2
    assert "(seed 7, gradients in fp32)" in notes(board)


def test_another_seeds_results_do_not_fill_a_gap(bench: Any, define: Any) -> None:
    for seed, models in ((0, "ab"), (7, "a")):
        bench.run(define("ab", seed=seed), 2)
        for model in models:
            bench.clean(model, [True] * 2)
            bench.attack(model, [0.1] * 2, seed=seed)
    found = entry(leaderboard(bench.sql), "b")
    assert (found.status, found.attack.mean, found.top1) == ("not run", None, 1)


def test_the_accuracy_is_that_of_the_attacked_weights(bench: Any, define: Any) -> None:
    bench.run(define("a"), 2)
    bench.clean("a", [True] * 2, weights="v1")
    bench.attack("a", [0.1] * 2, weights="v1")
    bench.run(define("a"), 2)
    bench.clean("a", [False] * 2, weights="v2")
    assert entry(leaderboard(bench.sql), "a").top1 == 1


def test_a_cell_takes_the_first_of_the_runs_images(bench: Any, define: Any) -> None:
    bench.run(define("a"), 4)
    bench.clean("a", [True, True, True, False])
    bench.attack("a", [0.1, 0.1], images=2)
    found = entry(leaderboard(bench.sql), "a")
    assert (found.complete, found.attack.images, found.accuracy.images) == (True, 2, 4)


def test_new_weights_take_the_place_of_old_ones(bench: Any, define: Any) -> None:
    for weights, size, correct in (("v1", 0.1, True), ("v2", 0.2, False)):
        bench.run(define("a"), 2)
        bench.clean("a", [True, correct], weights=weights)
        bench.attack("a", [size, "w" if not correct else size], weights=weights)
    board = leaderboard(bench.sql)
    found = entry(board, "a")
    assert (found.attack.mean, found.top1) == (0.2, 0.5)
    assert "other weights or preprocessing too, of which the latest run's are shown: a" in notes(
        board
    )


def test_published_accuracy(bench: Any, define: Any) -> None:
    five(bench, define)
    bench.sql.execute("""UPDATE components SET about = '{"published": {"top1": 99.5}}'
        WHERE kind = 'model' AND name = 'a'""")
    bench.sql.execute("""UPDATE components SET about = '{"published": null}'
        WHERE kind = 'model' AND name = 'b'""")
    board = leaderboard(bench.sql, accuracy="published")
    assert entry(board, "a").top1 == pytest.approx(0.995)
    assert entry(board, "b").top1 is None
    assert [point.name for point in board.column.frontier.members] == ["a"]
    assert board.column.frontier.members[0].error == pytest.approx(0.005)
    assert "no published accuracy, excluded from the fit: e, d, f, c, b" not in notes(board)
    assert "no published accuracy, excluded from the fit: " in notes(board)
    record = next(row for row in presentation(board).records if row["model"] == "a")
    assert (record["top1_low"], record["top1_measured"]) == (None, 0.4)


def test_no_errors_are_said(bench: Any, define: Any) -> None:
    bench.run(define("a"), 2)
    bench.clean("a", [True] * 2)
    bench.attack("a", [0.1, 0.1])
    board = leaderboard(bench.sql)
    assert "counted as half an error in the fit: a" in notes(board)
    assert "1 model on the frontier, a fit needs 3" in notes(board)


def test_sorting_and_shared_ranks(bench: Any, define: Any) -> None:
    bench.run(define("abc"), 4)
    for model, right, size in (("a", 2, 0.1), ("b", 3, 0.3), ("c", 3, 0.2)):
        bench.clean(model, [i < right for i in range(4)])
        bench.attack(model, [size if i < right else "w" for i in range(4)])

    def ranks(sort: Any) -> list[tuple[str, int | None]]:
        return [(entry.model, entry.rank) for entry in leaderboard(bench.sql, sort=sort).entries]

    assert ranks("accuracy") == [("b", 1), ("c", 1), ("a", 3)]
    assert ranks("distortion") == [("b", 1), ("c", 2), ("a", 3)]
    assert ranks("frontier") == [("b", None), ("c", None), ("a", None)]


def test_metrics_are_over_the_boards_images(bench: Any, define: Any) -> None:
    """After a run of fewer images too, whose stored scores are over those alone."""
    for images in (4, 2):
        bench.run({**define("a"), "metrics": ["success", "linf"]}, images)
        bench.clean("a", [True, True, True, False][:images], shape=[3, 2, 2])
        cell = bench.attack("a", [0.1, "r", 0.3, "w"][:images])
        bench.score(cell, "success", 0.5)  # of that run's images: not the board's three
    (record,) = presentation(leaderboard(bench.sql, catalog=installed())).records
    assert (record["attacked"], record["success"]) == (3, 2 / 3)
    assert record["metrics"] == {"linf": pytest.approx(0.2), "success": 2 / 3}
    bench.clean("b", [False, True], shape=[3, 2, 2])  # one image is right on both models
    bench.attack("b", ["w", "r"])
    (common, _) = presentation(leaderboard(bench.sql, catalog=installed(), images="common")).records
    assert (common["attacked"], common["success"]) == (1, 0)
    assert common["metrics"] == {"linf": None, "success": 0}


@pytest.mark.parametrize("broken", [False, True])
def test_a_metric_that_cannot_be_computed_is_as_stored_over_the_same_images(
    bench: Any, define: Any, broken: bool
) -> None:
    """No plugin provides it any more, or it fails."""

    class Lost(Catalog):
        def find(self, kind: Kind, name: str) -> Any:
            target = "harness_metrics.rates:missing"
            return Registration(kind, name, target, "1", "", "p", "d") if broken else None

    for value, images in ((1.0, 2), (2.0, 2)):
        bench.run(define("ab"), images)
        for model in "ab":
            bench.clean(model, [True] * images, shape=[3, 2, 2])
            bench.score(bench.attack(model, [0.1] * images), "lost", value)
    bench.score(bench.sql.execute("SELECT max(id) FROM cells").fetchone()[0], "huge", math.inf)
    board = leaderboard(bench.sql, catalog=Lost([]))
    assert [each["metrics"] for each in presentation(board).records] == [
        {"huge": None, "lost": 2.0}, {"huge": None, "lost": 2.0}
    ]  # fmt: skip
    bench.run(define("ab"), 1)  # of one image of two
    bench.clean("a", [True])
    bench.score(bench.attack("a", [0.1]), "lost", 3.0)
    board = leaderboard(bench.sql, catalog=Lost([]))
    assert [each["metrics"]["lost"] for each in presentation(board).records] == [None, 2.0]
    said = "cannot be imported" if broken else "no installed plugin provides it"
    (line,) = (line for line in footnotes(board) if "metric lost" in line)
    assert said in line
    assert line.endswith("none of the same images is stored for a")


class TestChoice:
    """Which attack and goal are shown."""

    @pytest.fixture
    def two(self, bench: Any, define: Any) -> Any:
        quick = {**IFGSM, "label": "ifgsm(steps=10)"}
        slow = {**IFGSM, "label": "ifgsm(steps=50)"}
        bench.run(define("a", [FGSM, quick, slow]), 2)
        bench.clean("a", [True] * 2)
        bench.attack("a", [0.3, 0.3], attack="fgsm", budget=0.3)
        bench.attack("a", [0.1, 0.1], label="ifgsm(steps=50)")
        return bench

    def test_the_first_minimum_distortion_attack_with_results(self, two: Any) -> None:
        assert leaderboard(two.sql).trial.attack.label == "ifgsm(steps=50)"

    def test_without_one_the_first_with_results_is_shown_and_said(
        self, bench: Any, define: Any
    ) -> None:
        bench.run(define("a", [FGSM, IFGSM]), 2)
        bench.clean("a", [True] * 2)
        bench.attack("a", [0.3, 0.3], attack="fgsm", budget=0.3, goal="untargeted")
        board = leaderboard(bench.sql)
        assert (board.trial.attack.label, board.trial.goal) == ("fgsm", "untargeted")
        assert "no minimum-distortion attack of the suite has results: fgsm is shown" in notes(
            board
        )
        assert "fgsm has no results for goal random: untargeted is shown" in notes(board)
        assert "fgsm (fixed budget 0.3)" in notes(board)
        assert (entry(board, "a").robustness, entry(board, "a").distance) == (0, 0)

    def test_a_name_that_fits_several_lists_them(self, two: Any) -> None:
        with pytest.raises(ConfigError, match=r"'ifgsm\(steps=10\)', 'ifgsm\(steps=50\)'"):
            leaderboard(two.sql, attack="ifgsm")

    def test_label_and_glob(self, two: Any) -> None:
        for asked in ("ifgsm(steps=50)", "*=50)"):
            assert leaderboard(two.sql, attack=asked).trial.attack.label == "ifgsm(steps=50)"

    def test_attacks_of_older_definitions_neither_hide_nor_disturb(
        self, two: Any, define: Any
    ) -> None:
        two.run(define("a", [IFGSM]), 2)
        assert leaderboard(two.sql, attack="ifgsm").trial.attack.label == "ifgsm"
        assert leaderboard(two.sql, attack="fgsm").trial.attack.budget == 0.3

    def test_a_name_without_its_own_label_prefers_the_current_definition(
        self, two: Any, define: Any
    ) -> None:
        two.run(define("a", [{**IFGSM, "label": "ifgsm(steps=10)"}]), 2)
        assert leaderboard(two.sql, attack="ifgsm").trial.attack.label == "ifgsm(steps=10)"

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"attack": "fgms"}, "--attack: unknown attack 'fgms'; did you mean 'fgsm'"),
            ({"goal": "randm"}, "did you mean 'random'"),
            ({"goal": "least-likely"}, "there are: untargeted, random"),
            ({"suite": "digits"}, "no run of suite 'digits' is stored; there are: toy"),
        ],
    )
    def test_wrong_names_say_what_there_is(
        self, two: Any, asked: dict[str, str], message: str
    ) -> None:
        with pytest.raises(ConfigError) as error:
            leaderboard(two.sql, **asked)
        assert message in str(error.value)

    def test_the_latest_runs_suite_is_the_default(self, two: Any, define: Any) -> None:
        two.run(define("a"), 2, name="second")
        assert leaderboard(two.sql).trial.suite == "second"

    def test_an_empty_database(self, bench: Any) -> None:
        with pytest.raises(ConfigError, match="no runs"):
            leaderboard(bench.sql)

    def test_models_that_the_latest_run_leaves_out_are_shown_and_said(
        self, two: Any, define: Any
    ) -> None:
        two.run(define("b", [IFGSM]), 2)
        two.clean("b", [True] * 2)
        two.attack("b", [0.1, 0.1])
        board = leaderboard(two.sql, attack="ifgsm")
        assert [(entry.model, place.status) for entry, place in board.rows] == [
            ("a", "not run"),
            ("b", "complete"),
        ]
        assert "from older runs, not in the suite's latest: a" in notes(board)


def test_the_default_attack_has_the_goal_asked_for(bench: Any, define: Any) -> None:
    cw = {**IFGSM, "name": "cw", "label": "cw", "norm": "l2", "goals": ["random", "untargeted"]}
    bench.run(define("a", [IFGSM, FGSM, cw]), 2)
    bench.clean("a", [True, True])
    bench.attack("a", [0.1, 0.2])
    bench.attack("a", [0.3, 0.3], attack="fgsm", budget=0.3, goal="untargeted")
    assert leaderboard(bench.sql).trial.attack.label == "ifgsm"
    assert leaderboard(bench.sql, goal="untargeted").trial.attack.label == "fgsm"
    bench.attack("a", [0.1, 0.2], attack="cw", norm="l2", goal="untargeted")
    # One that minimises the distortion comes before those with a budget.
    assert leaderboard(bench.sql, goal="untargeted").trial.attack.label == "cw"
    with pytest.raises(ConfigError, match="unknown goal of the suite 'least-likely'") as caught:
        leaderboard(bench.sql, goal="least-likely")
    assert "random, untargeted" in str(caught.value)


def test_under_a_fixed_budget_success_ranks_and_distortion_does_not(
    bench: Any, define: Any
) -> None:
    bench.run(define("abc", [FGSM]), 4)
    for model, broken in (("a", 3), ("b", 1), ("c", 1)):
        bench.clean(model, [True] * 4)
        rows = [0.3] * broken + ["r"] * (4 - broken)
        bench.attack(model, rows, attack="fgsm", budget=0.3)
    board = leaderboard(bench.sql, sort="success")
    assert [(each.model, each.rank) for each in board.entries] == [("b", 1), ("c", 1), ("a", 3)]
    with pytest.raises(ConfigError, match="fgsm has a fixed budget") as caught:
        leaderboard(bench.sql, sort="distortion")
    assert "--sort success" in str(caught.value)
