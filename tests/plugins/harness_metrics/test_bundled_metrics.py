from __future__ import annotations

import importlib
import math
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness_metrics
from harness.api import (
    CellRows,
    CleanPrediction,
    Metric,
    Norms,
    Outcome,
    Passes,
    Score,
    Status,
    Verdict,
)

SHAPE = (3, 4, 5)


def registered() -> dict[str, Metric]:
    """The metrics as the plugin's hook offers them, each made from its lazy target."""
    found: dict[str, Metric] = {}

    def register(name: str, target: str, *, version: str, summary: str) -> None:
        module, _, attribute = target.partition(":")
        assert (version, bool(summary)) == ("1", True)
        found[name] = getattr(importlib.import_module(module), attribute)()

    harness_metrics.register_metrics(register)
    return found


METRICS = registered()


def outcome(
    status: Status,
    size: float | None = None,
    *,
    confident: bool = False,
    rounded: Status | None = None,
) -> Outcome:
    known = {} if size is None else {"linf": size, "l2": 2 * size, "l1": 3 * size}
    return Outcome(
        image_id="x",
        label=0,
        target=1,
        verdict=Verdict(status),
        confident=confident,
        norms=Norms(**known),
        passes=Passes(10, 5),
        rounded=None if rounded is None else Verdict(rounded),
    )


def cell(outcomes: Sequence[Outcome] = (), clean: Sequence[CleanPrediction] = ()) -> CellRows:
    return CellRows("model", "attack", "random", SHAPE, clean, outcomes)


MIXED = cell(
    [
        outcome(Status.BROKEN, 0.1, confident=True, rounded=Status.ROBUST),
        outcome(Status.BROKEN, 0.2, rounded=Status.BROKEN),
        outcome(Status.BROKEN, 0.6),  # attacked before the option was on
        outcome(Status.ROBUST, 9.0, rounded=Status.ROBUST),
        # An invalid candidate may well reach the class and the margin.
        outcome(Status.INVALID, 9.0, confident=True),
        outcome(Status.ERROR),
        outcome(Status.CLEAN_WRONG),
    ],
    [
        CleanPrediction("a", 0, 0),
        CleanPrediction("b", 0, 1),
        CleanPrediction("c", 1, 1),
        CleanPrediction("d", 0, None),
    ],
)


@pytest.mark.parametrize(
    ("name", "value", "images"),
    [
        ("accuracy", 2 / 3, 3),
        ("success", 3 / 4, 4),
        ("confident_success", 1 / 4, 4),
        ("success_8bit", 1 / 3, 3),
        ("linf", 0.3, 3),
        ("l2", 0.6, 3),
        ("l1", 0.9, 3),
        ("median_linf", 0.2, 3),
        ("median_l2", 0.4, 3),
        ("median_l1", 0.6, 3),
        ("l2_per_pixel_hw", 0.6 / 20, 3),
        ("l2_per_pixel_hwc", 0.6 / 60, 3),
        ("l1_per_pixel_hw", 0.9 / 20, 3),
        ("l1_per_pixel_hwc", 0.9 / 60, 3),
        ("forwards", 10, 4),
        ("backwards", 5, 4),
    ],
)
def test_value_and_denominator(name: str, value: float, images: int) -> None:
    assert METRICS[name].score(MIXED) == Score(pytest.approx(value), images)


def test_every_metric_is_tested_above() -> None:
    (mark,) = test_value_and_denominator.pytestmark
    assert {row[0] for row in mark.args[1]} == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_without_images_there_is_no_value(name: str) -> None:
    assert METRICS[name].score(cell()) == Score(None, 0)


@pytest.mark.parametrize("name", METRICS)
def test_without_a_verdict_there_is_no_value(name: str) -> None:
    rows = [outcome(status) for status in (Status.INVALID, Status.ERROR, Status.CLEAN_WRONG)]
    assert METRICS[name].score(cell(rows)) == Score(None, 0)


@pytest.mark.parametrize("name", METRICS)
@given(rows=st.lists(st.tuples(st.sampled_from(Status), st.floats(0, 1)), max_size=20))
def test_values_are_finite_and_rates_are_rates(name: str, rows: list[tuple[Status, float]]) -> None:
    score = METRICS[name].score(cell([outcome(status, size) for status, size in rows]))
    assert (score.value is None) == (score.images == 0)
    if score.value is not None:
        assert math.isfinite(score.value)
        assert METRICS[name].unit != "%" or 0 <= score.value <= 1


def test_rounding_may_break_what_was_robust_and_needs_a_verdict() -> None:
    rows = [outcome(Status.ROBUST, 0.1, rounded=Status.BROKEN), outcome(Status.BROKEN, 0.1)]
    assert METRICS["success_8bit"].score(cell(rows)) == Score(1.0, 1)
    assert METRICS["success_8bit"].score(cell(rows[1:])) == Score(None, 0)


def test_an_unknown_norm_is_left_out_of_the_mean_and_its_count() -> None:
    rows = [outcome(Status.BROKEN, 0.1), outcome(Status.BROKEN)]
    assert METRICS["linf"].score(cell(rows)) == Score(0.1, 1)
    assert METRICS["success"].score(cell(rows)) == Score(1.0, 2)


def test_the_plugin_loads_no_torch() -> None:
    program = (
        "import sys, harness_metrics, harness_metrics.rates, harness_metrics.cost\n"
        "import harness_metrics.distortion\n"
        "assert harness_metrics.HARNESS_API == 1\n"
        "assert not {'torch', 'scipy', 'timm', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
