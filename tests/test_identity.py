"""Identity: one spelling of JSON, frozen keys, and what is and is not in a cell's key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Goal
from harness.api.goal import random_target
from harness.identity import canonical_json, image_seed, seed_of, tagged_hash
from harness.planning import (
    Component,
    NumericPolicy,
    PlannedImage,
    cell_key,
    clean_key,
    image_order,
)

MODEL = Component(
    "m", {"weights": "ab" * 32, "preprocessing": {"size": [32, 32]}}, {"family": "VGG"}
)
DATASET = Component("digits", {"name": "digits", "version": "1"}, {})
ATTACK = Component("ifgsm", {"name": "ifgsm", "version": "1", "parameters": {"steps": 10}}, {})
CELL = {
    "model": MODEL,
    "dataset": DATASET,
    "attack": ATTACK,
    "goal": Goal.RANDOM,
    "seed": 0,
    "policy": NumericPolicy(),
}

FROZEN = {
    "cell": "b39611a670d227bf49a34ed993f17be44f0241ea924e59cd21481d26a116014c",
    "clean": "77544e80b7f820147d744411fa5893c339aba53aa125d2d405162bb567eaa7c9",
    "hash": "5dca878dc323c66b24aa4516cc4e0eb15f939e023c7abe78d98d1288ffab3831",
}
"""A change here orphans every database in the world: raise KEY_VERSION, and mean it."""


def test_keys_are_frozen():
    assert cell_key(**CELL) == FROZEN["cell"]
    clean = clean_key(model=MODEL, dataset=DATASET, policy=NumericPolicy())
    assert clean == FROZEN["clean"]
    assert tagged_hash("t", {"b": [1, 2.5, None], "a": "é"}) == FROZEN["hash"]


def test_random_targets_and_seeds_are_frozen():
    draws = [
        random_target(seed=0, dataset="digits", image_id=f"{i:04d}", label=3, classes=10)
        for i in range(8)
    ]
    assert draws == [4, 7, 5, 1, 2, 2, 2, 0]
    assert seed_of("a", 1) == 5849733257245250233
    assert image_seed(seed=0, cell_key="k", image_id="0001") == 6572318697832566430


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_canonical_json_is_json_and_survives_a_round_trip(value):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), json_values, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_matter(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1: 2}, {"a": {1, 2}}, b"bytes"])
def test_what_has_no_canonical_form_is_refused(bad):
    with pytest.raises((ValueError, TypeError)):
        canonical_json(bad)


@pytest.mark.parametrize(
    "change",
    [
        {"goal": Goal.LEAST_LIKELY},
        {"seed": 1},
        {"policy": NumericPolicy(precision="tf32")},
        {"policy": NumericPolicy(precision="bf16")},
        {"policy": NumericPolicy(rows=32)},
        {"policy": NumericPolicy(fold_batch_norm=False)},
        {"policy": NumericPolicy(generator="torch-cuda")},
        {"model": replace(MODEL, identity={**MODEL.identity, "weights": "cd" * 32})},
        {"dataset": replace(DATASET, identity={**DATASET.identity, "version": "2"})},
        {"attack": replace(ATTACK, identity={**ATTACK.identity, "version": "2"})},
        {"attack": replace(ATTACK, identity={**ATTACK.identity, "parameters": {}})},
    ],
)
def test_what_changes_results_changes_the_key(change):
    assert cell_key(**{**CELL, **change}) != cell_key(**CELL)


def test_predictions_do_not_depend_on_the_gradients_precision():
    about = {"model": MODEL, "dataset": DATASET}
    for precision in ("tf32", "bf16"):
        assert clean_key(**about, policy=NumericPolicy(precision)) == FROZEN["clean"]
        exact = NumericPolicy(precision, rows=32)
        assert clean_key(**about, policy=exact) == clean_key(**about, policy=NumericPolicy(rows=32))
        assert clean_key(**about, policy=exact) != FROZEN["clean"]
    assert clean_key(**about, policy=NumericPolicy(fold_batch_norm=False)) != FROZEN["clean"]


def test_names_and_facts_do_not():
    renamed = replace(MODEL, name="other", about={"family": "ResNet"})
    assert cell_key(**{**CELL, "model": renamed}) == cell_key(**CELL)


@given(st.integers(0, 2**31), st.text(max_size=9), st.integers(2, 1000), st.data())
def test_a_random_target_is_another_class(seed, image_id, classes, data):
    label = data.draw(st.integers(0, classes - 1))
    target = random_target(seed=seed, dataset="d", image_id=image_id, label=label, classes=classes)
    assert 0 <= target < classes
    assert target != label


def test_random_targets_are_uniform():
    counts = [0] * 10
    for index in range(9000):
        counts[random_target(seed=0, dataset="d", image_id=str(index), label=4, classes=10)] += 1
    assert counts[4] == 0
    expected = 1000
    chi2 = sum((count - expected) ** 2 / expected for k, count in enumerate(counts) if k != 4)
    assert chi2 < 26.1  # the 0.1 % point of chi-squared with 8 degrees of freedom


@given(st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=30), st.randoms())
def test_image_order_is_a_fixed_shuffle_with_nested_prefixes(ids, random):
    images = [PlannedImage(name, 0) for name in ids]
    ordered = image_order("d", images)
    assert sorted(ordered, key=lambda image: image.id) == sorted(images, key=lambda i: i.id)
    shuffled = images[:]
    random.shuffle(shuffled)
    assert image_order("d", shuffled) == ordered
    fewer = [image for image in images if image in ordered[: len(ordered) // 2]]
    assert image_order("d", fewer) == ordered[: len(ordered) // 2]
