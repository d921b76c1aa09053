"""The cut of a run into parts: every image once, parts that are near equal, and no wrong names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Goal, Norm
from harness.errors import ConfigError
from harness.part import Part
from harness.planning import Component, NumericPolicy, Plan, PlannedAttack, PlannedImage, plan_cells
from harness.resolve.division import cut

COUNTS = st.none() | st.integers(1, 60)


def attack(number, images):
    component = Component(f"a{number}", {"name": f"a{number}"}, {"plugin": "p"})
    return PlannedAttack(
        component, f"a{number}", Norm.L2, None, (Goal.RANDOM,), images, True, False
    )


def plan(images, clean, attacked):
    cells = plan_cells(
        models=[Component("net", {"weights": "w"}, {"shape": [3, 2, 2]})],
        attacks=[attack(number, count) for number, count in enumerate(attacked)],
        dataset=Component("dots", {}, {}),
        images=[PlannedImage(f"dot-{i}", i) for i in range(images)],
        clean_images=clean,
        seed=0,
        policy=NumericPolicy(),
    )
    return Plan("toy", {}, 0, cells)


@given(
    images=st.integers(0, 50),
    clean=COUNTS,
    attacked=st.lists(COUNTS, max_size=4),
    of=st.integers(1, 70),
)
def test_parts_are_the_whole(images, clean, attacked, of):
    """Also with more parts than images, and where cells have fewer images than others."""
    whole = plan(images, clean, attacked)
    parts = [cut(whole, Part(index, of)) for index in range(1, of + 1)]
    for place, cell in enumerate(whole.cells):
        shares = [part.cells[place] for part in parts]
        assert {share.key for share in shares} == {cell.key}
        found = [image for share in shares for image in share.images]
        assert len(found) == len(cell.images)
        assert set(found) == set(cell.images)
        sizes = [len(share.images) for share in shares]
        assert max(sizes) - min(sizes) <= 1
    for part in parts:
        clean_images = part.cells[0].images
        assert part.part is not None
        positions = dict(part.part.placed(clean_images))
        assert all(whole.cells[0].images[place] == image for place, image in positions.items())
        for cell, of_whole in zip(part.cells, whole.cells, strict=True):
            # what an image needs is in its part, and a cell has the first ones of it
            assert cell.images == clean_images[: len(cell.images)]
            below = [place for place in positions if place < len(of_whole.images)]
            assert len(below) == len(cell.images)


@given(of=st.integers(1, 9), few=st.integers(0, 40), more=st.integers(0, 40))
def test_a_larger_limit_keeps_an_image_in_its_part(of, few, more):
    for index in range(1, of + 1):
        part = Part(index, of)
        small = list(part.take(range(few)))
        assert list(part.take(range(few + more)))[: len(small)] == small


def test_names():
    assert Part.parse("2/8") == Part(2, 8)
    assert str(Part(2, 8)) == "2/8"


@pytest.mark.parametrize(
    "text", ["0/8", "9/8", "2", "a/b", "", "1/0", "-1/2", "1/2/3", "١/٢", "1.0/2"]
)
def test_wrong_names(text):
    with pytest.raises(ConfigError, match="is not a part of a run") as error:
        Part.parse(text)
    assert "\n" not in str(error.value)
