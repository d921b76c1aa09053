"""What is fast for many models against the plain way of the same: every pair, every draw, rich."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from harness.analysis import bootstrap
from harness.analysis.bootstrap import _Replicates
from harness.analysis.margins import mean_range
from harness.analysis.placing import ranks
from harness.api.frontier import Point, pareto
from harness.api.statistics import SEED, quantiles
from harness.report import layout
from harness.report.presentation import Cell, Column


def drawn(seed: int, steps: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracies and robustness of 5 replicates and 40 models with ties, holes, and who may be."""
    numbers = np.random.default_rng(seed)
    accuracy, robustness = numbers.integers(steps, size=(2, 5, 40)) / steps
    holes = numbers.random((5, 40)) < 0.1
    return (
        np.where(holes, np.nan, accuracy), np.where(holes, np.nan, robustness),
        numbers.random(40) < 0.8,
    )  # fmt: skip


def test_ranks() -> None:
    values = {str(i): random.Random(i).choice([0.0, -0.0, 0.5, 1.5, -2.0]) for i in range(50)}
    plain = {name: 1 + sum(o > mine for o in values.values()) for name, mine in values.items()}
    assert ranks(values) == plain


@pytest.mark.parametrize("seed", range(20))
def test_pareto(seed: int) -> None:
    accuracy, robustness, _ = drawn(seed, steps=3 + seed)
    points = [
        Point(f"{i}", 60 * x, 60, y)
        for i, (x, y) in enumerate(zip(accuracy[0], robustness[0], strict=True))
        if np.isfinite(x)
    ]

    def beats(one: Point, other: Point) -> bool:
        mine, its = (one.accuracy, one.robustness), (other.accuracy, other.robustness)
        return mine[0] >= its[0] and mine[1] >= its[1] and mine != its

    optimal = [each for each in points if not any(beats(other, each) for other in points)]
    assert pareto(points) == tuple(sorted(optimal, key=lambda each: (each.accuracy, each.name)))


@pytest.mark.parametrize("seed", range(20))
def test_replicates(seed: int) -> None:
    accuracy, robustness, able = drawn(seed)
    replicates = _Replicates(accuracy, accuracy, robustness)
    x, y = accuracy[:, :, None], robustness[:, :, None]
    there_x, there_y = accuracy[:, None, :], robustness[:, None, :]
    beaten = (there_x >= x) & (there_y >= y) & ((there_x > x) | (there_y > y)) & able
    members = ~beaten.any(axis=2) & np.isfinite(robustness) & able
    assert np.array_equal(bootstrap._pareto(replicates, able), members)
    above = members[:, None, :] & (there_x >= x)
    step = np.where(above, there_y, -np.inf).max(axis=2)
    behind = np.where(np.isfinite(step), robustness - step, np.nan)
    assert np.array_equal(bootstrap._behind(replicates, members), behind, equal_nan=True)


def test_means_are_those_of_one_draw_after_the_other(monkeypatch: Any) -> None:
    monkeypatch.setattr("harness.analysis.margins.BLOCK", 1000)  # several blocks
    for count in (2, 3, 17, 130):
        values = np.random.default_rng(count).exponential(size=count)
        numbers = np.random.default_rng(SEED)
        means = [values[numbers.integers(count, size=count)].mean() for _ in range(100)]
        assert mean_range(list(values), 100) == quantiles(means)


@pytest.mark.parametrize("width", [80, 10_000])
@pytest.mark.parametrize("colour", ["", "1"])
def test_a_plain_table_is_as_rich_draws_it(monkeypatch: Any, width: int, colour: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", colour)
    words = ["", "x", "a longer name", "日本", "é", "[red]no markup[/red]", " begins", None]
    for seed in range(30):
        some = random.Random(seed)
        columns = [
            Column(f"{i}", some.choice(["head", "two words", "日"]), numeric=some.random() < 0.5)
            for i in range(some.randint(1, 4))
        ]
        rows = [
            [Cell(some.choice(words), aside=some.choice(["", "1 to 2"])) for _ in columns]
            for _ in range(some.randint(0, 6))
        ]
        quick = layout.table(columns, rows)
        with monkeypatch.context() as slow:
            slow.setattr(layout, "_is_plain", lambda columns, rows: False)
            assert layout.table(columns, rows) == quick
