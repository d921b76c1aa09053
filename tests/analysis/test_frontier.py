from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api.frontier import Point, frontier, pareto

IMAGES = 200


@st.composite
def boards(draw: st.DrawFn) -> list[Point]:
    """Coarse grids, so that ties in one or both coordinates are common."""
    places = draw(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12))
    return [Point(f"m{i}", x * IMAGES / 8, IMAGES, y / 8) for i, (x, y) in enumerate(places)]


def curve(errors: list[int], a: float, b: float) -> list[Point]:
    return [
        Point(f"m{e}", IMAGES - e, IMAGES, a + b * math.log(max(e, 0.5) / IMAGES)) for e in errors
    ]


@given(boards())
def test_pareto_equals_brute_force(points: list[Point]) -> None:
    x = np.array([point.correct for point in points])
    y = np.array([point.robustness for point in points])
    expected = set()
    for i, point in enumerate(points):
        at_least = (x >= x[i]) & (y >= y[i])
        better = (x > x[i]) | (y > y[i])
        if not (at_least & better).any():
            expected.add(point.name)
    assert {point.name for point in pareto(points)} == expected


@st.composite
def staircases(draw: st.DrawFn) -> list[Point]:
    """Three or more models, of which none beats another."""
    right = draw(st.lists(st.integers(0, IMAGES), min_size=3, max_size=10, unique=True))
    count = len(right)
    size = draw(st.lists(st.integers(0, 99), min_size=count, max_size=count, unique=True))
    pairs = zip(sorted(right), sorted(size, reverse=True), strict=True)
    return [Point(f"m{x}", x, IMAGES, y / 100) for x, y in pairs]


@given(staircases())
def test_fit_equals_polyfit_on_the_members(points: list[Point]) -> None:
    found = frontier(points)
    assert list(found.members) == points
    assert found.fit is not None
    assert (found.fit.r2 is not None) == (len(points) >= 5)
    logs = [math.log(point.error) for point in found.members]
    y = np.array([point.robustness for point in found.members])
    b, a = np.polyfit(logs, y, 1)
    assert (found.fit.a, found.fit.b) == pytest.approx((a, b), rel=1e-6, abs=1e-9)
    if found.fit.r2 is not None:
        residual = y - (a + b * np.array(logs))
        r2 = 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum()
        assert found.fit.r2 == pytest.approx(r2, abs=1e-6)


@given(
    st.lists(st.integers(0, IMAGES - 1), min_size=5, max_size=10, unique=True),
    st.floats(0.01, 10),
    st.floats(0.01, 10),
)
def test_recovers_the_curve_that_made_the_points(errors: list[int], a: float, b: float) -> None:
    # A dominated model must not pull on the fit.
    points = [*curve(errors, a, b), Point("poor", 0, IMAGES, -100)]
    found = frontier(points)
    assert found.fit is not None
    assert (found.fit.a, found.fit.b) == pytest.approx((a, b), rel=1e-6)
    assert found.fit.r2 == pytest.approx(1)
    assert [point.name for point in found.members] == [
        f"m{error}" for error in sorted(errors, reverse=True)
    ]
    for point in points[:-1]:
        assert found.distance(point) == pytest.approx(0, abs=1e-6)
    assert found.distance(points[-1]) == pytest.approx(-100 - a, rel=1e-6)


def test_the_papers_linf_fit_ends_where_it_says() -> None:
    # FACTS section 4: 6.2e-2 + 2.9e-2 ln(1 - x) reaches 0 at accuracy .882.
    found = frontier(curve([100, 80, 60, 40, 20], 6.2e-2, 2.9e-2))
    above = Point("above", 0.883 * IMAGES, IMAGES, 0.01)
    below = Point("below", 0.881 * IMAGES, IMAGES, 0.01)
    assert found.fitted(above) < 0 < found.fitted(below)
    assert found.extrapolated(above)
    assert not found.extrapolated(below)


def test_a_frontier_model_where_the_fit_is_not_positive_is_extrapolated() -> None:
    found = frontier(curve([100, 60, 20], 6.2e-2, 2.9e-2))
    assert not found.extrapolated(found.members[0])
    assert found.extrapolated(Point("m10", 190, IMAGES, 1.0))


def test_outside_the_members_accuracies_is_extrapolated() -> None:
    found = frontier(curve([120, 60, 40], 3.0, 1.0))
    assert not any(found.extrapolated(point) for point in found.members)
    assert found.extrapolated(Point("left", 79, IMAGES, 0.0))
    assert not found.extrapolated(Point("inside", 81, IMAGES, 0.0))
    assert found.extrapolated(Point("right", 161, IMAGES, 0.0))


@pytest.mark.parametrize(
    ("count", "fit", "r2"), [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 1, 0), (5, 1, 1)]
)
def test_how_many_members_a_fit_and_r2_need(count: int, fit: int, r2: int) -> None:
    found = frontier(curve([100, 80, 60, 40, 20][:count], 5.0, 1.0))
    assert len(found.members) == count
    assert (found.fit is not None) == bool(fit)
    assert (found.reason is None) == bool(fit)
    if found.fit is not None:
        assert (found.fit.r2 is not None) == bool(r2)
    else:
        assert found.distance(found.members[0]) is None
        assert not found.extrapolated(found.members[0])


def test_no_models_no_frontier() -> None:
    found = frontier([])
    assert (found.members, found.fit) == ((), None)


def test_equal_accuracies_give_no_fit() -> None:
    found = frontier([Point(name, 150, IMAGES, 0.5) for name in "abc"])
    assert [point.name for point in found.members] == ["a", "b", "c"]
    assert found.fit is None
    assert "same accuracy" in str(found.reason)


def test_half_an_error_in_100_is_one_in_200() -> None:
    found = frontier(
        [Point("all", 100, 100, 0.1), Point("one", 199, 200, 0.2), Point("same", 199, 200, 0.2)]
    )
    assert len(found.members) == 3
    assert found.fit is None


def test_no_errors_count_as_half_an_error() -> None:
    assert Point("all", IMAGES, IMAGES, 1.0).error == 0.5 / IMAGES
    assert Point("one", IMAGES - 1, IMAGES, 1.0).error == 1 / IMAGES
    # A published percentage may have less than half an error in a hundred.
    assert Point("published", 99.75, 100, 1.0).error == pytest.approx(0.0025)
