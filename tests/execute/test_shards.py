"""How pending work is cut into shards: a pure function, no database, no model."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import CleanPrediction, Goal, ImageKey, Norm, Status
from harness.execute.driver.targets import Facts, assign_targets
from harness.execute.shards import (
    AttackTask,
    CleanTask,
    MeasurementTask,
    Shard,
    cut,
    task_groups,
)
from harness.identity import image_seed
from harness.planning import (
    Component,
    NumericPolicy,
    PlannedAttack,
    PlannedImage,
    PlannedMeasurement,
    plan_cells,
)
from harness.sealed import SavedRow

IMAGES = tuple(PlannedImage(f"i{number}", number % 3) for number in range(6))
KEYS = {image.id: ImageKey(image.id, "", image.label) for image in IMAGES}
ATTACK = PlannedAttack(
    component=Component("fgsm", {"name": "fgsm"}, {"plugin": "acme"}),
    label="fgsm",
    norm=Norm.LINF,
    budget=0.1,
    goals=(Goal.UNTARGETED, Goal.LEAST_LIKELY),
    images=4,
    keep=True,
    eight_bit=False,
)
MEASUREMENT = PlannedMeasurement(
    component=Component("flatness", {"name": "flatness"}, {"plugin": "acme"}),
    label="flatness",
    goals=(Goal.UNTARGETED,),
    images=3,
    starts_from=ATTACK,
)
CELLS = plan_cells(
    models=[Component("net", {"classes": 3, "preprocessing": {}}, {"shape": [3, 4, 4]})],
    attacks=[ATTACK, replace(ATTACK, label="fgsm again", goals=(Goal.RANDOM,))],
    measurements=[MEASUREMENT],
    dataset=Component("toy", {}, {}),
    images=IMAGES,
    clean_images=None,
    seed=7,
    policy=NumericPolicy(),
)
CLEAN, UNTARGETED, LEAST, RANDOM, FLAT = CELLS
LEFT = {cell.key: [image.id for image in cell.images] for cell in CELLS}


def facts(clean, *, deadly=lambda image: None, **start) -> Facts:
    return Facts(keys=KEYS, clean=clean, deadly=deadly, **start)


def predictions(**wrong: int | None) -> dict[ImageKey, CleanPrediction]:
    """Everything is right, but for the named images."""
    return {
        key: CleanPrediction(
            key.name,
            key.label,
            predicted=wrong.get(key.name, key.label),
            second=(key.label + 1) % 3,
            least=(key.label + 2) % 3,
        )
        for key in KEYS.values()
    }


def shard_task(cells, images=tuple(KEYS), left=LEFT, starts=None):
    """The task of some images, of which each cell has those of ``left`` to do."""
    targets = {}
    for cell in cells:
        if cell.task is not None:
            wanted, _ = assign_targets(cell, left[cell.key], facts(predictions()))
            targets |= {(cell.key, image): target for image, target in wanted.items()}
    return cut(cells, [KEYS[image] for image in images], targets, starts or {})


def test_a_group_is_the_clean_cell_an_attack_with_its_goals_or_a_measurement():
    assert task_groups(CELLS) == [(CLEAN,), (UNTARGETED, LEAST), (RANDOM,), (FLAT,)]


def test_clean_predictions_need_labels_alone():
    assert shard_task([CLEAN], ["i1", "i4"]) == CleanTask((KEYS["i1"], KEYS["i4"]))


def test_goals_share_a_task_image_by_image_with_targets_and_seeds_of_their_own():
    task = shard_task([UNTARGETED, LEAST])
    assert isinstance(task, AttackTask)
    assert [(each.image, each.cell) for each in task.images] == [
        (f"i{number}", cell.key) for number in range(4) for cell in (UNTARGETED, LEAST)
    ]
    assert [each.target for each in task.images] == [
        target for number in range(4) for target in (None, (number + 2) % 3)
    ]
    for each in task.images:
        assert each.label == KEYS[each.image].label
        assert each.seed == image_seed(cell_key=each.cell, seed=7, image_id=each.image)
    assert task.keep


def test_the_images_of_a_lease_are_cut_and_nothing_else():
    left = {UNTARGETED.key: ["i3"], LEAST.key: ["i0", "i3"]}
    whole = shard_task([UNTARGETED, LEAST])
    task = shard_task([UNTARGETED, LEAST], ["i0", "i1", "i3"], left)
    assert set(task.images) < set(whole.images)
    assert [(each.image, each.cell) for each in task.images] == [
        ("i0", LEAST.key), ("i3", UNTARGETED.key), ("i3", LEAST.key)
    ]  # fmt: skip


@given(st.lists(st.sampled_from(sorted(KEYS)), unique=True), st.randoms())
def test_however_the_images_are_cut_their_work_is_the_same(order, random):
    whole = shard_task([UNTARGETED, LEAST])
    found = []
    while order:
        count = random.randint(1, len(order))
        found += shard_task([UNTARGETED, LEAST], order[:count]).images
        order = order[count:]
    assert len(set(found)) == len(found)
    assert set(found) <= set(whole.images)


def test_images_that_need_no_work_are_told_apart():
    clean = predictions(i0=2, i1=None)
    del clean[KEYS["i2"]]
    wanted, skipped = assign_targets(LEAST, LEFT[LEAST.key], facts(clean))
    assert list(wanted) == ["i3"]
    assert [(image, status) for image, status, _ in skipped] == [
        ("i0", Status.CLEAN_WRONG), ("i1", Status.ERROR), ("i2", Status.ERROR)
    ]  # fmt: skip


def test_the_deadly_are_left_out():
    deadly = {(RANDOM.key, "i1"): "left out"}.get
    wanted, skipped = assign_targets(RANDOM, LEFT[RANDOM.key], facts(predictions(), deadly=deadly))
    assert list(wanted) == ["i0", "i2", "i3"]
    assert skipped == [("i1", Status.ERROR, "left out")]


def test_a_measurement_gets_the_examples_it_starts_from():
    starts = {KEYS["i0"]: SavedRow(Path("a"), 3), KEYS["i2"]: SavedRow(Path("a"), 4)}
    known = facts(predictions(), start="fgsm", starts=starts)
    wanted, skipped = assign_targets(FLAT, LEFT[FLAT.key], known)
    assert list(wanted) == ["i0", "i2"]
    ((image, status, why),) = skipped
    assert (image, status) == ("i1", Status.ERROR)
    assert why.startswith("no saved example of fgsm; run the attack")
    task = shard_task([FLAT], wanted, starts=starts)
    assert isinstance(task, MeasurementTask)
    assert {each.image: each.start for each in task.images} == {
        "i0": SavedRow(Path("a"), 3), "i2": SavedRow(Path("a"), 4)
    }  # fmt: skip


@pytest.mark.parametrize("cells", [[CLEAN], [UNTARGETED, LEAST], [FLAT]])
def test_a_shard_travels_and_is_small(cells):
    task = shard_task(cells)
    shard = Shard(model="net", label="net", speaker="model net", task=task, trial=("i0",))
    packed = pickle.dumps(shard)
    assert pickle.loads(packed) == shard
    assert len(packed) < 4096
