"""Training seeds as a random effect: variance components, and models by their seeds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from boards import results
from scipy import optimize, stats

import harness
from harness.analysis.budgets import parsed
from harness.analysis.columns import Choice
from harness.analysis.seeds import SeedGroups, seed_groups
from harness.analysis.variance import components
from harness.errors import ConfigError
from harness.report.seeds import presentation


def drawn(
    random: np.random.Generator, seeds: int, images: int, sd: tuple[float, float, float]
) -> np.ndarray:
    seed, image, rest = sd
    return (
        3
        + seed * random.standard_normal((seeds, 1))
        + image * random.standard_normal((1, images))
        + rest * random.standard_normal((seeds, images))
    )


def test_components_are_the_maximum_of_the_restricted_likelihood() -> None:
    """REML by brute force: the likelihood of contrasts, maximised over the three variances."""
    values = drawn(np.random.default_rng(3), 4, 7, (0.8, 1.0, 0.5))
    seeds, images = values.shape
    of_seed = np.kron(np.eye(seeds), np.ones((images, images)))
    of_image = np.kron(np.ones((seeds, seeds)), np.eye(images))
    count = values.size
    contrasts = np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, 1:]]))[0][:, 1:].T

    def unlikely(logs: np.ndarray) -> float:
        seed, image, rest = np.exp(logs)
        whole = contrasts @ (seed * of_seed + image * of_image + rest * np.eye(count)) @ contrasts.T
        return -float(
            stats.multivariate_normal(np.zeros(count - 1), whole).logpdf(contrasts @ values.ravel())
        )

    best = optimize.minimize(unlikely, np.zeros(3), method="Nelder-Mead", options={"maxiter": 900})
    found = components(values)
    assert (found.seed, found.image, found.remainder) == pytest.approx(np.exp(best.x), rel=0.01)


def test_components_are_unbiased_and_intervals_hold_the_mean() -> None:
    random = np.random.default_rng(0)
    found = [components(drawn(random, 5, 30, (0.5, 1.0, 0.7))) for _ in range(600)]
    means = [np.mean([getattr(each, name) for each in found]) for name in ("seed", "image")]
    assert means == pytest.approx([0.25, 1.0], rel=0.1)
    hits = [each.interval is not None and abs(3 - each.mean) <= each.interval[1] - each.mean
            for each in found]  # fmt: skip
    assert 0.93 <= np.mean(hits) <= 0.975


def test_without_an_effect_of_the_seed_the_interval_is_students_over_images() -> None:
    values = np.random.default_rng(0).normal(size=20)
    found = components(np.stack([values, values, values]))
    wanted = stats.t.interval(0.95, 19, values.mean(), values.std(ddof=1) / 20**0.5)
    assert found.interval == pytest.approx(wanted)
    assert (found.seed, found.remainder) == pytest.approx((0, 0))
    assert found.seed_share == pytest.approx(0)


def test_effects_that_are_none_cost_no_degrees_of_freedom() -> None:
    random = np.random.default_rng(0)
    found = [components(drawn(random, 5, 30, (0, 0, 1))).interval for _ in range(600)]
    assert 0.94 <= np.mean([low <= 3 <= high for low, high in filter(None, found)]) <= 0.99


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_seed_or_one_image_has_a_mean_alone(shape: tuple[int, int]) -> None:
    found = components(np.arange(5.0).reshape(shape))
    assert (found.mean, found.interval, found.seed, found.seed_share) == (2, None, None, None)


def test_equal_values_have_no_spread() -> None:
    found = components(np.ones((3, 4)))
    assert (found.interval, found.seed_share) == ((1, 1), None)


@pytest.fixture
def several(bench: Any, define: Any) -> Any:
    models = ["a", "a.s1", "a.s2", "b", "b.s1", "lone"]
    bench.run(define(models), 6)
    for number, model in enumerate(models):
        seed_of = model.partition(".")[0] if "." in model else None
        bench.clean(model, [True] * 5 + [number != 1], seed_of=seed_of)
        rows: list[Any] = [0.1 * (1 + number) + 0.01 * image for image in range(6)]
        rows[number % 3] = "r"
        bench.attack(model, rows)
    return bench


def grouped(bench: Any, **choice: Any) -> SeedGroups:
    return seed_groups(results(bench.sql), Choice(**choice))


def test_models_are_grouped_by_the_model_that_they_are_seeds_of(several: Any) -> None:
    found = grouped(several)
    assert [(row.name, row.models, row.rank) for row in found.rows] == [
        ("b", ("b", "b.s1"), 1),
        ("a", ("a", "a.s1", "a.s2"), 2),
    ]
    assert found.alone == ("lone",)
    first, second = (row.robustness for row in found.rows)
    assert first is not None
    assert second is not None
    # Images 0, 1 and 2 of `a` failed on one seed each; 0 and 1 of `b`.
    assert (first.images, second.images) == (4, 3)
    assert second.mean == pytest.approx(0.2 + 0.01 * 4)
    assert second.seed == pytest.approx(0.01)
    accuracy = found.rows[1].accuracy
    assert accuracy is not None
    assert (accuracy.images, accuracy.mean) == (6, pytest.approx(17 / 18))


def test_read_at_a_budget_it_is_the_robust_accuracy(several: Any) -> None:
    found = grouped(several, at=parsed("0.25"))
    (row,) = [each for each in found.rows if each.name == "a"]
    assert row.robustness is not None
    assert (row.robustness.images, found.kind) == (6, "robust accuracy")
    assert row.robustness.mean == pytest.approx((1 + 1 + 6) / 18)


def test_the_table_says_what_is_due_to_the_seed(several: Any) -> None:
    shown = presentation(grouped(several))
    record = shown.records[0]
    assert (record["model"], record["seeds"], record["models"]) == ("b", 2, ["b", "b.s1"])
    assert record["distortion_low"] < record["distortion"] < record["distortion_high"]
    assert 0 < record["distortion_seed_share"] <= 1
    assert record["distortion_seed_sd"] == pytest.approx(0.1 / 2**0.5)
    assert any("one training seed, so left out: lone" in note for note in shown.notes)
    json.dumps(record, allow_nan=False)


def test_from_python(several: Any) -> None:
    (first, second) = harness.results(several.path).suite("toy").seeds()
    assert (first["model"], second["seeds"]) == ("b", 3)


def test_without_several_seeds_there_is_nothing_to_show(bench: Any, define: Any) -> None:
    bench.run(define(["a"]), 2)
    bench.clean("a", [True, True])
    bench.attack("a", [0.1, 0.2])
    with pytest.raises(ConfigError, match="has results from several training seeds"):
        grouped(bench)


def test_the_interval_of_a_rate_is_one_of_rates(several: Any) -> None:
    (row,) = [each for each in grouped(several).rows if each.name == "a"]
    assert row.accuracy is not None
    assert row.accuracy.interval is not None
    assert row.accuracy.interval[1] == 1
