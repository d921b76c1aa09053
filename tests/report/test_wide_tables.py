"""Tables that are wider than the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.tables import Column, _fitting


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(10, 200))
def test_every_column_is_shown_once_beside_the_repeated_ones(sizes, width):
    names = [f"{number:02}".ljust(size, "x") for number, size in enumerate(sizes)]
    model = Column("model", "model", repeated=True)
    columns = [model, *(Column(name, name) for name in names)]
    parts = _fitting([{"model": "a"}], columns, width)
    assert all(part[0] is model for part in parts)
    assert [column.key for part in parts for column in part[1:]] == names
    for part in parts:
        wide = sum(3 + len(column.heading) for column in part) > width
        assert not wide or len(part) == 2  # one that fits nowhere stands alone


def test_without_repeated_columns_a_table_stays_whole():
    columns = [Column(name, name * 50) for name in "abc"]
    assert _fitting([], columns, 80) == [columns]
