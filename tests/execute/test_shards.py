"""How pending work is cut into shards: a pure function, no database, no model."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from harness.api import CleanPrediction, Goal, ImageKey, Norm, Status
from harness.execute.shards import (
    AttackTask,
    CleanTask,
    Facts,
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


def test_a_group_is_the_clean_cell_an_attack_with_its_goals_or_a_measurement():
    assert task_groups(CELLS) == [(CLEAN,), (UNTARGETED, LEAST), (RANDOM,), (FLAT,)]


def test_clean_predictions_need_labels_alone():
    task, skipped = cut([CLEAN], {CLEAN.key: ["i1", "i4"]}, Facts(keys=KEYS))
    assert task == CleanTask((KEYS["i1"], KEYS["i4"]))
    assert not skipped


def test_goals_share_a_task_image_by_image_with_targets_and_seeds_of_their_own():
    task, skipped = cut([UNTARGETED, LEAST], LEFT, Facts(keys=KEYS, clean=predictions()))
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
    assert not task.suspects
    assert not any(skipped.values())


def test_what_is_left_is_cut_and_nothing_else():
    left = {UNTARGETED.key: ["i3"], LEAST.key: ["i0", "i3"]}
    whole, _ = cut([UNTARGETED, LEAST], LEFT, Facts(keys=KEYS, clean=predictions()))
    task, _ = cut([UNTARGETED, LEAST], left, Facts(keys=KEYS, clean=predictions()))
    assert set(task.images) < set(whole.images)
    assert [(each.image, each.cell) for each in task.images] == [
        ("i0", LEAST.key), ("i3", UNTARGETED.key), ("i3", LEAST.key)
    ]  # fmt: skip


def test_images_that_need_no_work_are_told_apart():
    clean = predictions(i0=2, i1=None)
    del clean[KEYS["i2"]]
    task, skipped = cut([LEAST], LEFT, Facts(keys=KEYS, clean=clean))
    assert [each.image for each in task.images] == ["i3"]
    assert [(image, status) for image, status, _ in skipped[LEAST.key]] == [
        ("i0", Status.CLEAN_WRONG), ("i1", Status.ERROR), ("i2", Status.ERROR)
    ]  # fmt: skip


def test_suspects_come_apart_and_the_deadly_are_left_out():
    facts = Facts(
        keys=KEYS,
        clean=predictions(),
        deadly={(RANDOM.key, "i1"): "left out"},
        suspects={(RANDOM.key, "i1"), (RANDOM.key, "i2"), (LEAST.key, "i0")},
    )
    task, skipped = cut([RANDOM], LEFT, facts)
    assert [each.image for each in task.images] == ["i0", "i3"]
    assert [each.image for each in task.suspects] == ["i2"]
    assert skipped[RANDOM.key] == [("i1", Status.ERROR, "left out")]


def test_a_measurement_gets_the_examples_it_starts_from():
    starts = {KEYS["i0"]: SavedRow(Path("a"), 3), KEYS["i2"]: SavedRow(Path("a"), 4)}
    facts = Facts(keys=KEYS, clean=predictions(), start="fgsm", starts=starts)
    task, skipped = cut([FLAT], LEFT, facts)
    assert isinstance(task, MeasurementTask)
    assert {each.image: each.start for each in task.images} == {
        "i0": SavedRow(Path("a"), 3), "i2": SavedRow(Path("a"), 4)
    }  # fmt: skip
    ((image, status, why),) = skipped[FLAT.key]
    assert (image, status) == ("i1", Status.ERROR)
    assert why.startswith("no saved example of fgsm; run the attack")


@pytest.mark.parametrize("cells", [[CLEAN], [UNTARGETED, LEAST], [FLAT]])
def test_a_shard_travels_and_is_small(cells):
    task, _ = cut(cells, LEFT, Facts(keys=KEYS, clean=predictions()))
    shard = Shard(model="net", label="net", speaker="model net", task=task, trial=("i0",))
    other = Shard(model="net", label="net", speaker="model net", task=task, trial=("i0",))
    assert shard.number != other.number
    packed = pickle.dumps(shard)
    assert pickle.loads(packed) == shard
    assert len(packed) < 4096
