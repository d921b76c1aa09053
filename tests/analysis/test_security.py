"""Security curves against counting by hand, and what their plots show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.security import SecurityCurve, security_curve
from harness.report.curve import ASCII, BLOCKS, COLUMNS, ROWS, glyphs_for, plot

# Few values, so that images tie.
DISTANCES = st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.30000001, 0.3, 1.0, 7.5]), max_size=40)
SIZES = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=60)


@given(DISTANCES, st.integers(0, 20), st.floats(0, 10))
def test_success_counts_the_images_within_the_budget(
    distances: list[float], robust: int, budget: float
) -> None:
    attacked = len(distances) + robust
    curve = security_curve("linf", distances, attacked=attacked)
    for each in (budget, *distances):
        within = [distance for distance in distances if distance <= each]
        assert curve.success(each) == (len(within) / attacked if attacked else None)


@given(DISTANCES, st.integers(0, 20), st.floats(0.001, 1))
def test_the_budget_for_a_success_is_the_smallest_that_reaches_it(
    distances: list[float], robust: int, share: float
) -> None:
    curve = security_curve("l2", distances, attacked=len(distances) + robust)
    shares = [share, *(rank / curve.attacked for rank in range(1, curve.attacked + 1))]
    for each in shares:
        enough = [d for d in distances if (curve.success(d) or 0) >= each]
        assert curve.budget_for(each) == min(enough, default=None)


@given(DISTANCES, st.integers(0, 20))
def test_the_steps_are_the_whole_curve(distances: list[float], robust: int) -> None:
    curve = security_curve("l1", distances, attacked=len(distances) + robust)
    assert [budget for budget, _ in curve.steps] == sorted(set(distances))
    assert all(success == curve.success(budget) for budget, success in curve.steps)


def test_by_hand() -> None:
    curve = security_curve("linf", [0.3, 0.1, 0.1], attacked=4)
    assert [curve.success(budget) for budget in (0, 0.0999, 0.1, 0.2, 0.3, 9)] == [
        0, 0, 0.5, 0.5, 0.75, 0.75,
    ]  # fmt: skip
    assert [curve.budget_for(share) for share in (0, 0.25, 0.5, 0.51, 0.75, 0.76, 1)] == [
        0, 0.1, 0.1, 0.3, 0.3, None, None,
    ]  # fmt: skip
    assert security_curve("linf", [], attacked=0).success(1) is None
    assert security_curve("linf", [], attacked=0).budget_for(0.5) is None


@pytest.mark.parametrize(("budgets", "attacked"), [((0.2, 0.1), 2), ((0.1, 0.2), 1)])
def test_what_is_no_curve_is_refused(budgets: tuple[float, ...], attacked: int) -> None:
    with pytest.raises(ValueError, match="ascending distances"):
        SecurityCurve("linf", budgets, attacked)


@given(SIZES, st.integers(0, 20), st.sampled_from([ASCII, BLOCKS]))
def test_a_plot_fits_and_ends_at_the_right_height(sizes, robust, glyphs) -> None:
    curve = security_curve("linf", sizes, attacked=len(sizes) + robust)
    title, *lines = plot(curve, glyphs)
    assert all(len(line) <= 80 for line in (title, *lines))
    body, numbers = [line.ljust(7 + COLUMNS) for line in lines[:ROWS]], lines[ROWS + 1]
    eighths = [sum(BLOCKS.fill.index(row[7 + c]) for row in body) for c in range(COLUMNS)] if (
        glyphs is BLOCKS
    ) else [sum(row[7 + c] != " " for row in body) for c in range(COLUMNS)]  # fmt: skip
    assert eighths == sorted(eighths)
    left_out = [int(line.split()[0]) for line in lines[ROWS + 2 :]]
    # Only a long tail may lie beyond the axis, and all but it is in the last column.
    assert sum(left_out) <= 0.05 * len(sizes)
    end = (len(sizes) - sum(left_out)) / curve.attacked
    full = 8 * ROWS if glyphs is BLOCKS else ROWS
    assert eighths[-1] == pytest.approx(full * end, abs=1)
    assert (eighths[-1] == 8 * ROWS) == (end == 1) or glyphs is ASCII
    last = float(numbers.split()[-1])
    assert max(size for size in sorted(sizes)[: len(sizes) - sum(left_out)]) <= last * 1.001


def test_the_labels_name_the_success_at_their_height() -> None:
    """Half of the images at 1, the others at 2: the first step is in the middle of both axes."""
    lines = plot(security_curve("l2", [1, 1, 2, 2], attacked=4), ASCII)
    assert lines[0] == "success rate within the l2 budget (pixel space [0, 1]), 4 attacked images"
    rows = dict(zip(range(ROWS, 0, -1), lines[1:], strict=False))
    assert [rows[row][:7] for row in (12, 9, 6, 3)] == [" 100% +", "  75% +", "  50% +", "  25% +"]
    assert rows[7].count("#") == 1
    assert rows[6].count("#") == COLUMNS // 2
    assert rows[6].index("#") == rows[1].index("#") == 7 + COLUMNS // 2
    assert lines[ROWS + 2].split() == ["0", "0.5", "1", "1.5", "2"]


def test_a_long_tail_does_not_squeeze_the_rest() -> None:
    sizes = [0.01 * rank for rank in range(1, 100)] + [500.0]
    lines = plot(security_curve("linf", sizes, attacked=100), ASCII)
    assert lines[-1] == "1 more broken beyond 1"
    assert lines[-2].split() == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_nothing_broken_is_a_line() -> None:
    (_, line) = plot(security_curve("linf", [], attacked=3), ASCII)
    assert line == "0 broken, none of them at a distance above 0"
    (_, line) = plot(security_curve("linf", [0.0], attacked=3), ASCII)
    assert line == "1 broken, none of them at a distance above 0"


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [("utf-8", BLOCKS), ("ascii", ASCII), ("latin-1", ASCII), ("cp1252", ASCII), (None, ASCII),
     ("no-such", ASCII)],
)  # fmt: skip
def test_ascii_where_the_encoding_has_no_blocks(encoding, glyphs) -> None:
    assert glyphs_for(encoding) is glyphs
    curve = security_curve("l0", [3, 4, 9], attacked=4)
    lines = plot(curve, glyphs_for(encoding))
    "\n".join(lines).encode(encoding if encoding in ("utf-8", "latin-1", "cp1252") else "ascii")
    assert "changed values" in lines[0]
