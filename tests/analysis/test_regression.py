"""Whether a number fell: the intervals of differences, and what a baseline may be."""

from __future__ import annotations

import json

import pytest

from harness.analysis.baseline import from_json
from harness.analysis.regression import independent
from harness.analysis.standing import Number
from harness.api.statistics import wilson
from harness.errors import ConfigError


def share(of: int, images: int) -> Number:
    return Number("accuracy", of / images, wilson(of, images), images)


def test_the_interval_of_two_proportions_is_newcombes():
    # Newcombe 1998, Statistics in Medicine 17:8, table II, method 10: contrasts (a), (d), (h).
    for first, second, low, high in (
        (share(56, 70), share(48, 80), 0.0524, 0.3339),
        (share(5, 56), share(0, 29), -0.0381, 0.1926),
        (share(10, 10), share(0, 10), 0.6075, 1.0),
    ):
        assert independent(second, first) == pytest.approx((low, high), abs=6e-5)
        assert independent(first, second) == pytest.approx((-high, -low), abs=6e-5)


def test_a_number_without_an_interval_is_taken_as_exact():
    exact = Number("distortion", 0.5, None, 10)
    drawn = Number("distortion", 0.4, (0.3, 0.45), 10)
    assert independent(exact, drawn) == pytest.approx((-0.2, -0.05))
    assert independent(exact, exact) is None


ROW = {
    "suite": "s", "attack": "a", "goal": "random", "norm": "l2", "model": "m",
    "status": "complete", "complete": True, "top1_measured": 0.9, "top1_images": 10,
    "robust_accuracy": None, "distortion_mean": 0.3, "images": 10, "missing": 0, "broken": 9,
    "common_images": None,
}  # fmt: skip


def test_a_leaderboard_is_a_baseline(tmp_path):
    path = tmp_path / "b.json"
    table = {"table": "leaderboard", "rows": [ROW, ROW | {"model": "n", "status": "not run"}]}
    for document in (table, {"leaderboards": [table]}):
        path.write_text(json.dumps(document))
        (standing,) = from_json(path)
        assert standing.where == ("s", "a", "random", "m")
        assert standing.accuracy == share(9, 10)
        assert standing.robustness == Number("distortion", 0.3, None, 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no baseline"),
        ("[]", "is no baseline"),
        ("3", "is no baseline"),
        ('{"table": "joint", "rows": []}', "is no baseline"),
        ('{"leaderboards": []}', "has no results"),
        ('{"leaderboards": [3]}', "is no baseline"),
        (json.dumps({"leaderboards": [{"rows": [ROW | {"top1_measured": 2}]}]}), "top1_measured"),
        (json.dumps({"leaderboards": [{"rows": [ROW | {"common_images": 3}]}]}), "common"),
        ('{"leaderboards": [{"rows": [{"model": NaN}]}]}', "is no baseline"),
    ],
)
def test_what_is_no_baseline_is_said_in_one_line(tmp_path, text, said):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        from_json(path)
    assert str(path) in str(raised.value)
