"""The board over images that every model classifies correctly: a filter, and what it says of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from statistics import fmean, median
from typing import Any

import pytest
from boards import Shown, leaderboard
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.common import common_images
from harness.analysis.leaderboard import Leaderboard
from harness.plugins import Catalog, installed
from harness.report.leaderboard import footnotes, presentation

# Ten images; "." is right, "x" wrong, "?" failed. Images 3, 6, 8 and 9 are common.
CLEAN = {"a": "x.........", "b": ".x.....x..", "c": "..x.xx....", "d": ".........."}
COMMON = (3, 6, 8, 9)


def right(letters: str) -> list[bool | None]:
    return [{".": True, "x": False, "?": None}[letter] for letter in letters]


def fill(bench: Any, define: Any, clean: dict[str, str] = CLEAN) -> dict[str, list[Any]]:
    """Rows of each model: wrong where it is wrong, here and there robust, else a distortion."""
    bench.run(define(clean), 10)
    made = {}
    for number, (model, letters) in enumerate(clean.items()):
        bench.clean(model, right(letters), shape=[3, 2, 2])
        rows: list[Any] = [0.05 * (1 + letters.count("x")) + 0.003 * image for image in range(10)]
        rows[(3 * number) % 10] = "r"
        made[model] = [
            "w" if letter == "x" else row for letter, row in zip(letters, rows, strict=True)
        ]
        bench.score(bench.attack(model, made[model]), "success", 0.5)
    return made


def common(bench: Any, **asked: Any) -> Leaderboard:
    return leaderboard(bench.sql, images="common", **asked)


def entry(board: Leaderboard, model: str) -> Shown:
    return Shown(board, model)


def notes(board: Leaderboard) -> str:
    return "\n".join(footnotes(board))


def test_only_outcomes_of_common_images_count(bench: Any, define: Any) -> None:
    made = fill(bench, define)
    board = common(bench)
    assert board.common is not None
    assert board.common.images == {bench.image(position) for position in COMMON}
    for model, rows in made.items():
        mine = [rows[position] for position in COMMON]
        broken = [row for row in mine if isinstance(row, float)]
        found = entry(board, model).attack
        assert (found.images, found.count("clean_wrong")) == (4, 0)
        assert (found.broken, found.count("robust")) == (len(broken), mine.count("r"))
        assert found.success == len(broken) / 4
        assert found.mean == pytest.approx(fmean(broken))
        assert found.median == pytest.approx(median(broken))
        assert entry(board, model).complete


def test_the_accuracy_is_still_that_of_all_images(bench: Any, define: Any) -> None:
    fill(bench, define)
    everything, some = leaderboard(bench.sql), common(bench)
    assert everything.common is None
    for model, letters in CLEAN.items():
        assert entry(some, model).top1 == letters.count(".") / 10
        assert entry(some, model).accuracy == entry(everything, model).accuracy


def test_the_frontier_goes_through_what_is_left(bench: Any, define: Any) -> None:
    """Distances as by hand: means over common images against accuracies over all."""
    made = fill(bench, define)
    board = common(bench)
    means = {
        model: fmean(row for p in COMMON if isinstance(row := rows[p], float))
        for model, rows in made.items()
    }
    assert board.column.frontier.fit is not None
    for point in board.column.frontier.members:
        assert point.robustness == pytest.approx(means[point.name])
    for model, mean in means.items():
        wrong = (CLEAN[model].count("x") or 0.5) / 10
        fitted = board.column.frontier.fit.a + board.column.frontier.fit.b * math.log(wrong)
        assert entry(board, model).distance == pytest.approx(mean - fitted)


def test_metrics_are_those_of_the_common_images(bench: Any, define: Any) -> None:
    fill(bench, define)
    board = common(bench, catalog=installed())
    assert all(row["metrics"] == {"success": row["success"]} for row in presentation(board).records)
    assert "measurements are over all images and therefore left out" in notes(board)
    # One that cannot be computed is stored over all images, which these are not.
    board = common(bench, catalog=Catalog([]))
    assert all(row["metrics"] == {"success": None} for row in presentation(board).records)
    assert "metric success is not computed" in notes(board)


def test_the_number_is_said(bench: Any, define: Any) -> None:
    fill(bench, define)
    board = common(bench)
    assert presentation(board).title == "toy: ifgsm, goal random, 4 common images"
    assert "common images: 4 of 10, which all of 4 models classify correctly" in notes(board)
    assert "attacked/all common ones of the cell" in notes(board)
    row = json.loads(json.dumps(presentation(board).records, allow_nan=False))[0]
    assert (row["common_images"], row["common_images_of"], row["images"]) == (4, 10, 4)
    plain = leaderboard(bench.sql)
    assert "common" not in presentation(plain).title + notes(plain)
    assert presentation(plain).records[0]["common_images"] is None


def test_images_without_a_prediction_cannot_be_common(bench: Any, define: Any) -> None:
    fill(bench, define, {**CLEAN, "d": "...??....."})
    board = common(bench)
    assert board.common is not None
    assert board.common.images == {bench.image(position) for position in (6, 8, 9)}
    assert "which cannot be common: d (2)" in notes(board)
    assert not entry(board, "d").complete


def test_a_model_with_fewer_images_has_fewer_in_common(bench: Any, define: Any) -> None:
    fill(bench, define)
    bench.clean("e", right("......."))
    board = common(bench)
    assert board.common is not None
    assert board.common.images == {bench.image(position) for position in (3, 6)}
    assert board.common.of == 10
    assert "which cannot be common: e (3)" in notes(board)
    assert entry(board, "e").status == "not run"


@pytest.mark.parametrize("failed", [False, True])
def test_a_model_without_clean_predictions_has_no_say(
    bench: Any, define: Any, failed: bool
) -> None:
    fill(bench, define)
    bench.run(define([*CLEAN, "e"]), 10)
    if failed:
        bench.clean("e", [None] * 10, error="weights are not there")
    board = common(bench)
    assert board.common is not None
    assert len(board.common.images) == 4
    assert "which all of 4 models" in notes(board)
    assert "without any clean predictions, so ignored in the choice of common images: e" in notes(
        board
    )
    assert entry(board, "e").status == "not run"


def test_what_is_missing_elsewhere_does_not_make_it_incomplete(bench: Any, define: Any) -> None:
    bench.run(define("ab"), 4)
    for model, letters in (("a", "...x"), ("b", "x...")):
        bench.clean(model, right(letters), shape=[3, 2, 2])
    bench.attack("a", [None, 0.1, 0.2, "w"])
    bench.attack("b", ["w", None, 0.4, 0.5])
    board = common(bench)
    assert entry(board, "a").complete
    assert entry(board, "a").attack.mean == pytest.approx(0.15)
    assert (entry(board, "b").status, entry(board, "b").attack.count("missing")) == (
        "incomplete",
        1,
    )
    assert entry(board, "b").attack.success_bounds == (0.5, 1)


def test_nothing_in_common(bench: Any, define: Any) -> None:
    bench.run(define("ab"), 2)
    bench.clean("a", right(".x"))
    bench.clean("b", right("x."))
    bench.attack("a", [0.1, "w"])
    bench.attack("b", ["w", 0.1])
    board = common(bench)
    assert {place.status for _, place in board.rows} == {"complete"}
    assert "common images: 0 of 2" in notes(board)
    row = presentation(board).records[0]
    assert (row["success"], row["distortion_mean"], row["images"]) == (None, None, 0)


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.dictionaries(st.integers(0, 6), st.sampled_from([True, False, None])),
    )
)
def test_by_brute_force(predictions: dict[str, dict[int, bool | None]]) -> None:
    found = common_images(predictions)
    voters = [m for m, rows in predictions.items() if set(rows.values()) - {None}]
    images = {image for rows in predictions.values() for image in rows}
    assert set(found.images) == {
        image
        for image in images
        if voters and all(predictions[model].get(image) is True for model in voters)
    }
    assert (found.of, list(found.models)) == (len(images), voters)
    assert set(found.without) == set(predictions) - set(voters)
    for model in voters:
        lacking = sum(predictions[model].get(image) is None for image in images)
        assert found.unpredicted.get(model, 0) == lacking


def command(bench: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "leaderboard", "--db", str(bench.path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line(bench: Any, define: Any) -> None:
    fill(bench, define)
    before = bench.sql.execute("SELECT count(*) FROM attempts").fetchone()
    done = command(bench, "--images", "common", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["common_images"] for row in rows} == {4}
    assert "common images: 4 of 10" in done.stderr
    table = command(bench, "--images", "common").stdout
    assert "4 common images" in table
    assert "4/4" in table
    assert bench.sql.execute("SELECT count(*) FROM attempts").fetchone() == before


def test_attacks_are_compared_on_all_images(bench: Any, define: Any) -> None:
    fill(bench, define)
    done = command(bench, "--attacks", "--images", "common")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --images: --attacks compares all attacks of the suite")
    assert done.stderr.count("\n") == 1
