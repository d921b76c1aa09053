"""The study's published fits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.analysis.reference import Metric, references
from harness.api.frontier import Point
from harness.errors import ConfigError
from harness.plugins import installed

PAPER: Any = references("paper", installed())


def metric(name: str = "ifgsm", norm: str | None = "linf", **changes: Any) -> Metric:
    fields = {"title": f"{name} steps=9", "goal": "random", "attack": True, "common": False}
    return Metric(name=name, norm=norm, **{**fields, **changes})


@pytest.mark.parametrize(
    ("asked", "zero"),
    [
        (metric(), 0.882),
        (metric("cw", "l2"), 0.852),
        (metric("clever", "l2", title="clever l2.score", attack=False), 0.934),
        (metric("cw", "l2", goal="least-likely"), 0.835),
    ],
)
def test_the_published_fits_reach_zero_where_the_study_does(asked: Metric, zero: float) -> None:
    fit = PAPER.get(asked).fit
    assert 1 - math.exp(-fit.a / fit.b) == pytest.approx(zero, abs=6e-4)


def test_common_images_have_fits_of_their_own() -> None:
    mine, common = PAPER.get(metric()), PAPER.get(metric(common=True))
    assert (mine.fit.a, mine.fit.b) == (pytest.approx(0.062), pytest.approx(0.029))
    assert (common.fit.a, common.fit.b) == (pytest.approx(0.085), pytest.approx(0.043))
    assert PAPER.get(metric(goal="least-likely")).caveat


@pytest.mark.parametrize(
    ("accuracy", "extrapolated"),
    [(0.5, True), (0.569, False), (0.7, False), (0.827, False), (0.83, True), (0.95, True)],
)
def test_outside_the_papers_models_it_is_extrapolated(accuracy: float, extrapolated: bool) -> None:
    point = Point("a", 1000 * accuracy, 1000, 0.1)
    assert PAPER.get(metric()).extrapolated(point) is extrapolated


def test_what_nobody_published_is_one_line_that_lists_what_there_is() -> None:
    with pytest.raises(ConfigError) as error:
        PAPER.get(metric("ead", "l1"))
    line = str(error.value)
    assert line.startswith("--frontier paper: no fit for 'ead l1 random'; there are: ")
    assert "cw l2 least-likely" in line
    assert "\n" not in line
    with pytest.raises(ConfigError):
        PAPER.get(metric(goal="untargeted"))
