"""Scales that surfaces share, and which of them stand side by side."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import ConfigError, ImageKey, MeasuredImage
from harness_metrics.surface_groups import levels, side_by_side, signed_levels

finite = st.floats(1e-12, 1e6)


@given(st.lists(st.lists(finite, min_size=1), min_size=1), st.integers(2, 20))
def test_levels_hold_all_values_and_waste_little(grids, count):
    found = levels(grids, count)
    most = max(map(max, grids))
    assert found[0] == 0
    assert len(found) == count + 1
    assert most <= found[-1] <= 2.0001 * most
    steps = [after - before for before, after in pairwise(found)]
    assert all(0 < one < other for one, other in pairwise(steps))


def test_levels_are_short_numbers_and_symmetric():
    assert levels([[7.0, 31.0]], 6) == pytest.approx([0, 1, 4, 9, 16, 25, 36])
    assert levels([[0.0]], 2) == [0, 0.25, 1]
    found = signed_levels([[3.0], [-17.0]], 6)
    assert found == [-level for level in reversed(found)]
    assert found[-1] == pytest.approx(18)


def stored(cell: str, model: str, image: str, *, label="surface", goal="untargeted", seed=0):
    key = ImageKey(image, f"d{image}", 3)
    return MeasuredImage(cell, model, label, goal, seed, "digits", key, None, {})


ROWS = [
    stored("aaaa1111", "one", "i"),
    stored("bbbb1111", "two", "i"),
    stored("bbbb1111", "two", "j"),
    stored("cccc1111", "one", "i", label="surface attack=cw"),
    stored("dddd1111", "two", "i", seed=1),
    stored("eeee1111", "one", "i"),  # a later version of the model
]


def test_models_stand_side_by_side_where_all_else_is_equal():
    (group,) = side_by_side(ROWS, ["two", "one"], None)
    assert [each.cell for each in group] == ["bbbb1111", "eeee1111"]
    assert len(side_by_side(ROWS, ["two"], None)) == 3
    assert len(side_by_side(ROWS, ["two"], "j")) == 1


def test_cells_stand_side_by_side_where_the_image_is():
    (group,) = side_by_side(ROWS, ["cccc", "DDDD1"], None)
    assert [each.cell for each in group] == ["cccc1111", "dddd1111"]
    (group,) = side_by_side(ROWS, ["aaaa", "bbbb"], None)
    assert {each.image.name for each in group} == {"i"}


@pytest.mark.parametrize(
    ("names", "image", "words"),
    [
        (["one", "cccc"], None, None),
        (["cccc", "two"], None, "no surface of the same image"),
        (["three"], None, "unknown model or cell 'three'"),
        (["aaa"], None, "unknown model or cell 'aaa'"),
        (["one", "two"], "j", "no surface of the same image"),
        (["one"], "k", "unknown image 'k'"),
    ],
)
def test_what_does_not_stand_side_by_side(names, image, words):
    if words is None:
        (group,) = side_by_side(ROWS, names, image)
        assert [each.cell for each in group] == ["cccc1111", "cccc1111"]
        return
    with pytest.raises(ConfigError, match=words):
        side_by_side(ROWS, names, image)
