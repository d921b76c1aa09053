"""Rates and the time left, on a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.display.meter import WINDOW, Meter
from harness.display.text import duration
from harness.terminal import one_line


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_known_at_the_start() -> None:
    meter = Meter(Clock())
    meter.start(cells=2, images=10)
    progress = meter.read()
    assert (progress.cells, progress.images, progress.images_done) == (2, 10, 0)
    assert progress.images_per_second is progress.forwards_per_second is progress.remaining is None


def test_rates_and_the_time_left() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.start(cells=2, images=100)
    for _ in range(10):
        clock.now += 1
        meter.advance(images=2, cells=0, forwards=50)
    progress = meter.read()
    assert progress.images_per_second == pytest.approx(2)
    assert progress.forwards_per_second == pytest.approx(50)
    assert progress.remaining == pytest.approx(80 / 2)
    assert (progress.elapsed, progress.forwards) == (10, 500)


def test_the_window_forgets_a_slow_start() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.start(cells=1, images=10_000)
    clock.now += 600
    meter.advance(images=1, cells=0, forwards=1)
    for _ in range(int(WINDOW)):
        clock.now += 1
        meter.advance(images=5, cells=0, forwards=0)
    assert meter.read().images_per_second == pytest.approx(5, rel=0.05)


def test_nothing_within_the_window_means_the_rate_of_all_the_time() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.start(cells=1, images=10)
    clock.now += 1
    meter.advance(images=5, cells=0, forwards=5)
    clock.now += 2 * WINDOW
    elapsed = 1 + 2 * WINDOW
    assert meter.read().images_per_second == pytest.approx(5 / elapsed)
    assert meter.read().remaining == pytest.approx(elapsed)


def test_more_than_planned_leaves_nothing() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.start(cells=1, images=3)
    clock.now += 1
    meter.advance(images=5, cells=1, forwards=0)
    assert meter.read().remaining == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 9), st.integers(0, 99)), max_size=80))
def test_the_window_agrees_with_a_plain_sum(events: list[tuple[float, int, int]]) -> None:
    """Within a bucket's width, the rate is the sum over the window by the window's length."""
    clock = Clock()
    meter = Meter(clock)
    meter.start(cells=1, images=1)
    log = []
    for wait, images, forwards in events:
        clock.now += wait
        meter.advance(images=images, cells=0, forwards=forwards)
        log.append((clock.now, images))
    progress = meter.read()
    assert progress.images_done == sum(images for _, images in log)
    elapsed = clock.now - 1000.0
    if elapsed == 0:
        assert progress.images_per_second is None
        return
    seconds = min(elapsed, WINDOW)
    if not progress.images_per_second or not any(
        images for when, images in log if clock.now - when <= WINDOW
    ):
        assert progress.images_per_second == pytest.approx(progress.images_done / elapsed)
        return
    inner = sum(images for when, images in log if clock.now - when <= WINDOW - 0.5)
    outer = sum(images for when, images in log if clock.now - when <= WINDOW)
    assert inner - 1e-6 <= (progress.images_per_second or 0) * seconds <= outer + 1e-6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line
