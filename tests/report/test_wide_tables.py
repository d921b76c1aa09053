"""Tables that are wider than the terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.layout import GAP, READABLE, Width, _width, fitting, table
from harness.report.presentation import Cell, Column

WORD = st.text("abcdefgh", min_size=1, max_size=30)
TEXTS = st.lists(WORD, max_size=6).map(" ".join)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(10, 200))
def test_every_column_is_shown_once_beside_the_repeated_ones(sizes, width):
    columns = [Column("model", "m", repeated=True), *(Column(str(n), "") for n in sizes)]
    widths = [Width(5, 5), *(Width(size, size) for size in sizes)]
    parts = fitting(columns, widths, width)
    assert all(part[0] == 0 for part in parts)
    assert [place for part in parts for place in part[1:]] == list(range(1, len(columns)))
    for part in parts:
        wide = sum(GAP + widths[place].wrapped for place in part) > width
        assert not wide or len(part) == 2  # one that fits nowhere is alone


def test_where_none_is_repeated_the_first_one_is():
    columns = [Column(name, name * 50, numeric=True) for name in "abc"]
    assert fitting(columns, [Width(50, 50)] * 3, 80) == [[0, 1], [0, 2]]


def test_text_is_wrapped_before_a_table_is_split():
    columns = [Column("name", "name"), Column("summary", "summary")]
    cells = [[Cell("a"), Cell("word " * 40)]]
    widths = [_width(column, [row[i] for row in cells]) for i, column in enumerate(columns)]
    assert widths[1] == Width(200, READABLE)
    assert fitting(columns, widths, 80) == [[0, 1]]


@given(
    st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=2, max_size=2), st.booleans()), min_size=1,
             max_size=6),
    st.integers(20, 120),
)  # fmt: skip
def test_no_word_is_lost_at_any_width(columns, width):
    """Whatever is in a table is on the terminal, in order; long words may be cut in two."""
    patch = pytest.MonkeyPatch()
    patch.setenv("COLUMNS", str(width))
    heads = [Column(str(i), heading, numeric=numeric) for i, (heading, _, numeric)
             in enumerate(columns)]  # fmt: skip
    try:
        shown = table(heads, [[Cell(texts[row]) for _, texts, _ in columns] for row in (0, 1)])
    finally:
        patch.undo()
    letters = sorted(re.sub("[^a-h]", "", shown))
    own = [heading + "".join(texts) for heading, texts, _ in columns]
    extra = len(re.findall(r"\n\n", shown))  # further tables repeat the first column
    assert letters == sorted(
        "".join(own + [columns[0][0] + "".join(columns[0][1])] * extra).replace(" ", "")
    )
    assert "…" not in shown


@pytest.mark.parametrize(("columns", "lines"), [("40", 2), ("", 1), ("nonsense", 1), ("0", 1)])
def test_pipes_are_as_wide_as_the_environment_says(monkeypatch: Any, columns: str, lines: int):
    monkeypatch.setenv("COLUMNS", columns)
    shown = table([Column("a", "a")], [[Cell("word " * 10)]])
    assert len(shown.splitlines()) == 2 + lines


def test_the_verbs_at_80_columns(harness: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in (
        "suites list", "attacks show cw", "models list", "plan --suite digits18 --no-calibration"
    ):  # fmt: skip
        done = harness(*command.split())
        assert done.code == 0, done.err
        tables = [line for line in done.out.splitlines() if "  " in line.strip()]
        assert tables
        assert "…" not in done.out
        assert max(map(len, tables)) <= 80, command
    for word in ("preset=fast", "learning_rate=0.05", "initial_const=1", "adam_epsilon=inside"):
        assert word in done.out
