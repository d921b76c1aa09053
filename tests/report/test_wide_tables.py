"""Tables that are wider than the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.presentation import Cell, Column
from harness.report.text import _fitting


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(10, 200))
def test_every_column_is_shown_once_beside_the_repeated_ones(sizes, width):
    names = [f"{number:02}".ljust(size, "x") for number, size in enumerate(sizes)]
    columns = [Column("model", "model", repeated=True), *(Column(name, name) for name in names)]
    row = [Cell("a"), *(Cell(None) for _ in names)]
    parts = _fitting(columns, [row], width)
    assert all(part[0] == 0 for part in parts)
    assert [place for part in parts for place in part[1:]] == list(range(1, len(columns)))
    for part in parts:
        wide = sum(3 + len(columns[place].heading) for place in part) > width
        assert not wide or len(part) == 2  # one that fits nowhere is alone


def test_without_repeated_columns_a_table_stays_whole():
    columns = [Column(name, name * 50) for name in "abc"]
    assert _fitting(columns, [], 80) == [[0, 1, 2]]
