"""Robust accuracy: its interval, its bounds, and the frontier that it makes with the accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from boards import Shown, leaderboard
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from harness.analysis.bootstrap import intervals
from harness.analysis.compare import difference
from harness.analysis.place import attacked_of
from harness.api import Status
from harness.api.attacked import OutcomeRow
from harness.api.frontier import Point, pareto, step_frontier
from harness.api.paired import Sample
from harness.api.statistics import wilson
from harness.errors import ConfigError
from harness.report.leaderboard import footnotes, presentation

FGSM = {"name": "fgsm", "label": "fgsm", "norm": "linf", "budget": 0.3, "goals": ["random"]}
CW = {"name": "cw", "label": "cw", "norm": "l2", "budget": None, "goals": ["random"]}


def fill(bench: Any, define: Any, models: dict[str, tuple[int, int]], images: int = 20) -> None:
    """Models of (correctly classified, of these robust) images under FGSM."""
    bench.run(define(list(models), [FGSM]), images)
    for model, (right, robust) in models.items():
        bench.clean(model, [position < right for position in range(images)])
        rows = ["r"] * robust + [0.3] * (right - robust) + ["w"] * (images - right)
        bench.attack(model, rows, attack="fgsm", budget=0.3)


@pytest.fixture
def four(bench: Any, define: Any) -> Any:
    """Three models on the frontier, and d, which b beats by 3 of 20 images."""
    fill(bench, define, {"a": (18, 4), "b": (15, 9), "c": (12, 11), "d": (14, 6)})
    return bench


def test_models_are_ranked_by_robust_accuracy_and_measured_from_its_frontier(four: Any) -> None:
    board = leaderboard(four.sql)
    assert [entry.model for entry in board.entries] == ["c", "b", "d", "a"]
    assert [entry.rank for entry in board.entries] == [1, 2, 3, 4]
    assert [point.name for point in board.column.frontier.members] == ["c", "b", "a"]
    distances = {entry.model: place.placing.distance for entry, place in board.rows}
    assert distances == {"a": 0, "b": 0, "c": 0, "d": pytest.approx(6 / 20 - 9 / 20)}
    assert [entry.rank for entry in leaderboard(four.sql, sort="frontier").entries] == [1, 1, 1, 4]


def test_the_table_says_interval_frontier_and_percentage_points(four: Any) -> None:
    board = leaderboard(four.sql)
    found = presentation(board)
    headings = [column.heading for column in found.columns]
    assert headings.index("robust accuracy (95% CI)") == headings.index("top-1 (95% CI)") + 1
    cells = {column.key: cell for column, cell in zip(found.columns, found.rows[2], strict=True)}
    wilson = binomtest(6, 20).proportion_ci(method="wilson")
    low, high = (f"{100 * end:.1f}" for end in (wilson.low, wilson.high))
    assert cells["robust_accuracy"].plain == f"30.0% ({low}–{high})"
    assert cells["frontier_distance"].plain == "-15.0"
    notes = "\n".join(footnotes(board))
    assert "3 members: c, b, a" in notes
    assert "in percentage points; 0: there is no better one" in notes
    assert found.table is not None
    (fit,) = found.table.fits
    assert (fit["a"], fit["members"]) == (None, ["c", "b", "a"])
    assert "has no law" in fit["reason"]
    assert found.table.selection["sort"] == "robust"


def test_images_without_a_verdict_leave_bounds(bench: Any, define: Any) -> None:
    bench.run(define("a", [FGSM]), 8)
    bench.clean("a", [True] * 6 + [False, False])
    # Missing: an image that is classified correctly and one that is not.
    bench.attack("a", ["r", "r", 0.3, "e", "i", None, "w", None], attack="fgsm", budget=0.3)
    board = leaderboard(bench.sql)
    (record,) = presentation(board).records
    # By hand: 2 robust of the 6 with an outcome; of all 8 at least 2, at most 2 + 3.
    assert record["robust_accuracy"] == 2 / 6
    assert (record["robust_accuracy_at_least"], record["robust_accuracy_at_most"]) == (2 / 8, 5 / 8)
    assert "robust accuracy between 25.0% and 62.5%" in "\n".join(footnotes(board))


def test_without_a_budget_there_is_no_robust_accuracy(bench: Any, define: Any) -> None:
    bench.run(define("a", [CW]), 2)
    bench.clean("a", [True, True])
    bench.attack("a", [0.1, "r"], attack="cw", norm="l2")
    (record,) = presentation(leaderboard(bench.sql)).records
    names = ("robust_accuracy", "robust_accuracy_at_least", "robust_accuracy_at_most")
    assert [record[name] for name in names] == [None] * 3
    with pytest.raises(ConfigError, match="--sort: cw has no budget, so no robust accuracy"):
        leaderboard(bench.sql, sort="robust")


def test_a_model_that_guesses_is_on_no_frontier(bench: Any, define: Any) -> None:
    fill(bench, define, {"a": (18, 4), "guess": (2, 2), "c": (12, 1)})
    bench.sql.execute("UPDATE components SET identity = '{\"classes\": 10}' WHERE kind = 'model'")
    found = Shown(leaderboard(bench.sql), "guess")
    assert (found.on_frontier, found.distance) == (False, pytest.approx(2 / 20 - 4 / 20))
    assert "chance" in found.excluded


POINTS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(POINTS)
def test_steps_by_brute_force(drawn: list[tuple[int, int, bool]]) -> None:
    points = [
        Point(f"{place}", right, 6, robust / 6, "out" if out else None)
        for place, (right, robust, out) in enumerate(drawn)
    ]
    able = [point for point in points if point.excluded is None]
    found = step_frontier(points)
    assert found.members == pareto(able)
    for point in points:
        above = [each.robustness for each in able if each.accuracy >= point.accuracy]
        assert found.fitted(point) == max(above, default=None)
        assert not found.extrapolated(point)
        if point.excluded is None:
            behind = found.distance(point)
            assert behind is not None
            assert behind <= 0
            assert behind == 0 or point not in found.members


@pytest.mark.parametrize("images", [20, 100])
def test_the_interval_covers_nineteen_times_in_twenty(images: int) -> None:
    """Exactly: the probability of each count times whether its interval holds the share."""
    shares = np.linspace(0.02, 0.98, 97)
    ends = [wilson(count, images) for count in range(images + 1)]
    covered = [
        sum(
            binom.pmf(count, images, share)
            for count, interval in enumerate(ends)
            if interval is not None and interval[0] <= share <= interval[1]
        )
        for share in shares
    ]
    assert 0.94 < np.mean(covered) < 0.97
    assert min(covered) > 0.83


def test_the_paired_interval_covers_the_difference() -> None:
    """Two models, the second robust on some of the images on which the first is."""
    random, truth, held = np.random.default_rng(0), 0.6 - 0.45, 0
    for number in range(150):
        first = random.random(80) < 0.6
        second = first & (random.random(80) < 0.75)
        gaps = [float(one) - float(two) for one, two in zip(first, second, strict=True)]
        interval = difference(gaps, replicates=150, seed=number).mean_range
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.88 < held / 150 <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*list(Status)[:5], None]), min_size=1, max_size=20))
def test_it_is_what_is_left_of_all_images(statuses: list[Status | None]) -> None:
    rows = {
        image: None
        if status is None
        else OutcomeRow(status, False, 0.1, 0.1, 0.1, 1, None, 1, 1, None)
        for image, status in enumerate(statuses)
    }
    right = {image: status is not Status.CLEAN_WRONG for image, status in enumerate(statuses)}
    found = attacked_of(rows, right, "l2")
    told = [status for status in statuses if status is not None]
    assert found.outcomes == len(told)
    assert found.robust == {i: each is Status.ROBUST for i, each in enumerate(statuses) if each}
    if not told:
        assert (found.robust_accuracy, found.robust_accuracy_interval) == (None, None)
        return
    lost = found.count("clean_wrong", "broken", "invalid", "error") / len(told)
    assert found.robust_accuracy == pytest.approx(1 - lost)
    low, high = found.robust_accuracy_bounds or (1, 0)
    assert low == told.count(Status.ROBUST) / len(statuses)
    open_ = sum(status in (None, Status.INVALID, Status.ERROR) for status in statuses)
    assert high == pytest.approx((told.count(Status.ROBUST) + open_) / len(statuses))


def test_the_bootstrap_selects_the_steps_anew_in_every_replicate() -> None:
    random = np.random.default_rng(3)
    samples = {}
    for name, accuracy, robust in (
        ("a", 0.9, 0.2), ("b", 0.7, 0.6), ("c", 0.65, 0.5), ("out", 0.95, 0.8)
    ):  # fmt: skip
        right = random.random(60) < accuracy
        stays = right & (random.random(60) < robust / accuracy)
        samples[name] = Sample(
            {image: bool(each) for image, each in enumerate(right)},
            {image: float(each) for image, each in enumerate(stays)},
        )
    found = intervals(samples, replicates=200, seed=5, steps=True, outside={"out"})
    assert (found.a, found.b, found.fits) == (None, None, 0)
    # The same draws, one replicate at a time.
    generator = np.random.default_rng(5)
    drawn = generator.integers(60, size=(200, 60))
    distances: dict[str, list[float]] = {name: [] for name in samples}
    members = dict.fromkeys(samples, 0)
    for images in drawn:
        curve = step_frontier(
            points := [
                Point(
                    name,
                    sum(sample.right[image] for image in images),
                    60,
                    sum(sample.values[image] for image in images) / 60,
                    "out" if name == "out" else None,
                )
                for name, sample in samples.items()
            ]
        )
        for point in points:
            distance = curve.distance(point)
            if distance is not None:  # none is as accurate as the one outside
                distances[point.name].append(distance)
            members[point.name] += point in curve.members
    for name, spread in found.spreads.items():
        assert spread.on_frontier == pytest.approx(members[name] / 200)
        if len(distances[name]) >= 100:
            assert spread.distance == pytest.approx(np.quantile(distances[name], [0.025, 0.975]))
        else:
            assert (name, spread.distance) == ("out", None)
