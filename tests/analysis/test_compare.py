"""Two models on the same images."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from boards import results
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis import compare as analysis
from harness.analysis.compare import Compared, Comparison, difference
from harness.analysis.mcnemar import EXACT, mcnemar
from harness.errors import ConfigError

FGSM = {"name": "fgsm", "label": "fgsm", "norm": "linf", "budget": 0.3, "goals": ["random"]}
IFGSM = {**FGSM, "name": "ifgsm", "label": "ifgsm", "budget": None, "goals": ["random", "second"]}


def compare(
    sql: Any, first: str, second: str, suite: str | None = None, **asked: Any
) -> Comparison:
    return analysis.compare(results(sql, suite), first, second, **asked)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    total = first + second
    wanted = stats.binomtest(first, total).pvalue if total else 1.0
    assert mcnemar(first, second) == pytest.approx(wanted)


def test_many_discordant_images_take_the_corrected_chi_squared() -> None:
    assert mcnemar(EXACT // 2 - 40, EXACT // 2 + 40) == pytest.approx(
        stats.binomtest(EXACT // 2 - 40, EXACT).pvalue
    )
    first, second = 1500, 1650
    assert mcnemar(first, second) == pytest.approx(
        stats.chi2.sf((abs(first - second) - 1) ** 2 / (first + second), 1)
    )
    assert mcnemar(first, second) == pytest.approx(
        stats.binomtest(first, first + second).pvalue, rel=0.01
    )
    assert mcnemar(2000, 2000) == 1


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 60).tolist()
    found = difference(values, replicates=300, seed=5)
    random = np.random.default_rng(5)
    drawn = [[values[i] for i in random.integers(60, size=60)] for _ in range(300)]
    assert found.mean == pytest.approx(np.mean(values))
    assert found.median == pytest.approx(np.median(values))
    for mine, statistic in ((found.mean_range, np.mean), (found.median_range, np.median)):
        wanted = np.quantile([statistic(row) for row in drawn], [0.025, 0.975])
        assert mine == pytest.approx(tuple(wanted))
    scipy = stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    assert found.mean_range == pytest.approx(tuple(scipy), abs=0.1)


def test_one_image_has_a_difference_and_no_interval() -> None:
    found = difference([0.25])
    assert (found.mean, found.median, found.mean_range, found.median_range) == (
        *(0.25, 0.25),
        *(None, None),
    )


@pytest.fixture
def two(bench: Any, define: Any) -> Any:
    bench.run(define("abc", [FGSM, IFGSM]), 8)
    bench.clean("a", [True, True, True, True, True, True, False, None])
    bench.clean("b", [True, False, False, False, True, True, True, True])
    bench.clean("c", [True] * 8)
    bench.attack("a", ["b", "r", "r", "b", "b", "e", "w", None], attack="fgsm", budget=0.3)
    bench.attack("b", ["r", "w", "w", "w", "b", "b", "b", "b"], attack="fgsm", budget=0.3)
    bench.attack("a", [0.5, 0.2, 0.3, 0.4, 0.1, 0.6, "w", None])
    bench.attack("b", [0.2, "w", "w", "w", 0.4, "r", 0.9, 0.9])
    bench.attack("a", [0.5] * 8, goal="second")
    return bench


def row(found: Comparison, kind: str, title: str = "") -> Compared:
    (one,) = [each for each in found.rows if (each.kind, each.title) == (kind, title)]
    return one


def test_only_images_of_both_count(two: Any) -> None:
    found = compare(two.sql, "a", "b", goal="random")
    assert [(each.kind, each.title) for each in found.rows] == [
        ("accuracy", ""),
        ("success", "fgsm"),
        ("robust accuracy", "fgsm"),
        ("success", "ifgsm"),
        ("distortion", "ifgsm"),
    ]
    accuracy = row(found, "accuracy")
    assert (accuracy.images, accuracy.first, accuracy.second) == (7, 6 / 7, 4 / 7)
    assert accuracy.discordant is not None
    assert (accuracy.discordant.first, accuracy.discordant.second) == (3, 1)
    assert accuracy.discordant.p == pytest.approx(stats.binomtest(3, 4).pvalue)
    success = row(found, "success", "fgsm")
    assert (success.images, success.first, success.second) == (2, 1.0, 0.5)
    distortion = row(found, "distortion", "ifgsm")
    assert (distortion.images, distortion.norm) == (2, "linf")
    assert distortion.difference is not None
    assert distortion.difference.mean == pytest.approx((0.3 - 0.3) / 2)
    assert (distortion.first, distortion.second) == (pytest.approx(0.3), pytest.approx(0.3))


def test_turned_round_every_sign_turns(two: Any) -> None:
    one, other = compare(two.sql, "a", "b"), compare(two.sql, "b", "a")
    for mine, its in zip(one.rows, other.rows, strict=True):
        assert mine.difference is not None
        assert its.difference is not None
        assert mine.difference.mean == pytest.approx(-its.difference.mean)
        if mine.discordant and its.discordant:
            assert mine.discordant.p == its.discordant.p
            assert mine.discordant.first == its.discordant.second


def test_what_one_model_did_not_run_is_left_out(two: Any) -> None:
    assert [each.kind for each in compare(two.sql, "a", "c").rows] == ["accuracy"]
    assert not [each for each in compare(two.sql, "a", "b").rows if each.goal == "second"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("a", "d", {}), "d: unknown model 'd'"),
        (("a", "a", {}), "a: a model cannot be compared with itself"),
        (("a", "b", {"attack": "fgms"}), "--attack: unknown attack 'fgms'; did you mean 'fgsm'"),
        (("a", "b", {"goal": "randm"}), "--goal: unknown goal 'randm'; did you mean 'random'"),
        (("a", "b", {"suite": "x"}), "no run of suite 'x'"),
    ],
)
def test_wrong_names(two: Any, asked: tuple[str, str, dict[str, str]], message: str) -> None:
    first, second, more = asked
    with pytest.raises(ConfigError) as error:
        compare(two.sql, first, second, **more)
    assert message in str(error.value)


def test_measurements_of_both_are_compared(two: Any) -> None:
    for model, offset in (("a", 0.5), ("b", 0.0)):
        cell = two.cell(
            f"{model} divergence",
            4,
            model_id=two.component("model", model),
            attack_id=two.component("measurement", "divergence"),
            label="divergence",
            goal="untargeted",
            seed=0,
        )
        attempt = two.attempt(cell)
        for position in range(4):
            image = two.image(position)
            invalid = (model, position) == ("a", 3)
            two.sql.execute(
                "INSERT INTO measured (cell_id, image_id, attempt_id, status, forwards, backwards)"
                " VALUES (?, ?, ?, ?, 1, 1)",
                (cell, image, attempt, "invalid" if invalid else "measured"),
            )
            two.sql.execute(
                "INSERT INTO measurements VALUES (?, ?, 'psi', ?)", (cell, image, position + offset)
            )
        two.score(cell, "psi", 1.0)
    score = row(compare(two.sql, "a", "b"), "score", "divergence psi")
    assert (score.images, score.goal) == (3, "untargeted")
    assert score.difference is not None
    assert score.difference.mean_range == pytest.approx((0.5, 0.5))
    assert not [each for each in compare(two.sql, "a", "b", attack="fgsm").rows
                if each.kind == "score"]  # fmt: skip


def test_the_command_prints_all_formats(two: Any, harness: Any) -> None:
    done = harness("compare", "a", "b", "--db", two.path)
    assert done.code == 0, done.err
    for text in ("toy: a and b", "top-1", "ifgsm linf", "3 / 1", "McNemar", "difference (95% CI)"):
        assert text in done.out
    rows = json.loads(harness("compare", "a", "b", "--db", two.path, "--format", "json").out)[
        "rows"
    ]
    assert (rows[0]["kind"], rows[0]["only_first"], rows[0]["only_second"]) == ("accuracy", 3, 1)
    flat = harness("compare", "a", "b", "--db", two.path, "--format", "csv")
    assert [each["kind"] for each in csv.DictReader(io.StringIO(flat.out))] == [
        each["kind"] for each in rows
    ]
    assert "percentage points" in flat.err
    wrong = harness("compare", "a", "z", "--db", two.path)
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (2, "", 1)
