"""Ranks that the images leave a model, and the difference that they would show."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from boards import leaderboard, results
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import harness
from harness.analysis.budgets import parsed
from harness.analysis.columns import Choice
from harness.analysis.detectable import detectable, of_distances, of_rates
from harness.analysis.mcnemar import mcnemar
from harness.analysis.ranked import Ranking, pairs_of, ranking
from harness.errors import ConfigError
from harness.report import leaderboard as shown
from harness.report.ranked import presentation

IMAGES = 20


@pytest.fixture
def filled(bench: Any, define: Any) -> Any:
    """`near` and `twin` alike, `far` farther on every image, `none` not run."""
    random = np.random.default_rng(0)
    bench.run(define(["near", "twin", "far", "none"]), IMAGES)
    base = random.uniform(0.1, 0.2, IMAGES)
    for model, sizes in {
        "near": base,
        "twin": base + random.normal(0, 0.01, IMAGES),
        "far": base + random.uniform(0.1, 0.2, IMAGES),
    }.items():
        bench.clean(model, [True] * IMAGES)
        bench.attack(model, [*sizes[:-1].tolist(), "r"])
    return bench


def ranked(bench: Any, control: Any = "holm", **choice: Any) -> Ranking:
    return ranking(results(bench.sql), Choice(**choice), control)


def test_a_model_has_the_ranks_that_the_tests_leave_it(filled: Any) -> None:
    found = ranked(filled)
    ranges = {row.entry.model: (row.low, row.high) for row in found.rows}
    assert ranges == {"far": (1, 1), "near": (2, 3), "twin": (2, 3)}
    assert [row.rank for row in found.rows] == [1, 2, 3]
    assert {row.entry.model: row.tied for row in found.rows} == {
        "far": (), "near": ("twin",), "twin": ("near",)
    }  # fmt: skip
    assert found.without == ("none",)
    assert found.rows[-1].next is None
    pairs = {frozenset((pair.first, pair.second)): pair for pair in found.pairs}
    far = pairs[frozenset(("far", "near"))]
    assert (far.test.images, far.test.differing, far.better) == (IMAGES, IMAGES - 1, "far")
    assert far.test.p == pytest.approx(2 / 2 ** (IMAGES - 1))
    assert far.p == pytest.approx(3 * far.test.p)  # the first of three, by Holm


def test_under_a_budget_the_test_is_mcnemars(filled: Any) -> None:
    found = ranked(filled, at=parsed("0.2"))
    for pair in found.pairs:
        ones, others = (_robust(filled, name) for name in (pair.first, pair.second))
        only = [sum(a[i] > b[i] for i in a) for a, b in ((ones, others), (others, ones))]
        assert pair.test.p == pytest.approx(mcnemar(*only))
    assert found.rows[0].value == 1.0


def _robust(bench: Any, model: str) -> dict[int, bool]:
    rows = bench.sql.execute("SELECT image_id, status, linf FROM samples WHERE model = ?", (model,))
    return {image: status == "robust" or size > 0.2 for image, status, size in rows}


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(["a", "b", "c", "d"]), control=st.sampled_from(["holm", "bh"]))
def test_the_order_of_models_changes_nothing(order: list[str], control: Any) -> None:
    random = np.random.default_rng(1)
    numbers = {
        name: dict(enumerate((shift + random.normal(0, 0.3, 15)).tolist()))
        for name, shift in zip("abcd", (0, 0.1, 0.3, 0.9), strict=True)
    }
    numbers["a"][3] = math.inf
    plain = {frozenset((p.first, p.second)): p for p in pairs_of(numbers, control)}
    mixed = pairs_of({name: numbers[name] for name in order}, control)
    assert len(mixed) == len(plain) == 6
    for pair in mixed:
        twin = plain[frozenset((pair.first, pair.second))]
        assert (pair.p, pair.better) == (pytest.approx(twin.p), twin.better)


def test_the_table_and_its_json(filled: Any) -> None:
    table = presentation(ranked(filled, "bh"))
    assert [record["rank_low"] for record in table.records] == [1, 2, 2]
    assert any("no outcomes, so no rank: none" in note for note in table.notes)
    assert any("Benjamini and Hochberg" in note for note in table.notes)
    assert table.table is not None
    assert len(table.table.more["pairs"]) == 3
    json.dumps([table.records, table.table.more], allow_nan=False)


def test_from_python(filled: Any) -> None:
    suite = harness.results(filled.path).suite("toy")
    assert suite.ranks(control="bh")[0]["model"] == "far"
    assert suite.ranks(at=0.2)[0]["robust_accuracy"] == 1


def test_one_model_has_no_ranks(bench: Any, define: Any) -> None:
    bench.run(define(["a"]), 2)
    bench.clean("a", [True, True])
    bench.attack("a", [0.1, 0.2])
    with pytest.raises(ConfigError, match="ranks need two models"):
        ranked(bench)


# --- the difference that a leaderboard would show ---


def test_of_distances_it_is_that_of_a_paired_t_test() -> None:
    gaps = np.random.default_rng(0).normal(0, 0.2, 40)
    delta = of_distances(gaps.tolist())
    shift = delta / (gaps.std(ddof=1) / 40**0.5)
    critical = stats.t.ppf(0.975, 39)
    power = stats.nct.sf(critical, 39, shift) + stats.nct.cdf(-critical, 39, shift)
    assert power == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("images", "discordant"), [(54, 3), (54, 16), (200, 60), (1000, 30)])
def test_of_rates_mcnemars_test_finds_it_four_times_in_five(images: int, discordant: int) -> None:
    """Power by enumeration of the discordant images."""
    delta = of_rates([1.0] * discordant + [0.0] * (images - discordant))
    share = max(discordant / images, delta)
    up = (share + delta) / 2 / share
    power = sum(
        stats.binom.pmf(total, images, share)
        * sum(
            stats.binom.pmf(wins, total, up)
            for wins in range(total + 1)
            if mcnemar(wins, total - wins) <= 0.05
        )
        for total in range(images + 1)
        if stats.binom.pmf(total, images, share) > 1e-6
    )
    assert 0.75 <= power <= 0.85


def test_a_leaderboard_says_it_of_its_neighbours(filled: Any) -> None:
    found = detectable(leaderboard(filled.sql, sort="distortion"))
    assert found is not None
    assert (found.unit, found.pairs, found.images) == ("distortion", 2, IMAGES - 1)
    rows = {m: dict(filled.sql.execute("SELECT image_id, linf FROM samples WHERE model = ?"
                                       " AND status = 'broken'", (m,)))
            for m in ("near", "twin", "far")}  # fmt: skip
    order = [entry.model for entry in leaderboard(filled.sql, sort="distortion").entries][:3]
    sizes = [
        of_distances([rows[one][i] - rows[other][i] for i in rows[one]])
        for one, other in pairwise(order)
    ]
    assert found.difference == pytest.approx(sum(sizes) / 2)
    assert 0 < found.difference < 0.1


@pytest.mark.parametrize(
    ("choice", "unit"),
    [
        ({"sort": "accuracy"}, "accuracy"),
        ({"sort": "success"}, "success"),
        ({"at": "0.2"}, "robust accuracy"),
    ],
)
def test_its_unit_is_that_of_what_the_rows_are_sorted_by(
    filled: Any, choice: dict[str, Any], unit: str
) -> None:
    if "at" in choice:
        choice = {"at": parsed(choice["at"])}
    board = leaderboard(filled.sql, **choice)
    found = detectable(board)
    assert found is not None
    assert found.unit == unit
    assert 0 < found.difference <= 1
    (note,) = [each for each in shown.footnotes(board) if each.startswith("detectable on")]
    assert "80% power" in note
    assert "points" in note


def test_few_images_say_nothing(bench: Any, define: Any) -> None:
    bench.run(define(["a", "b"]), 5)
    for model in ("a", "b"):
        bench.clean(model, [True] * 5)
        bench.attack(model, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert detectable(leaderboard(bench.sql)) is None
