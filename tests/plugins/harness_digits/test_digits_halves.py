"""Which half of the digits the embedded models were trained on, as docs/datasets.md says."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from harness.api import DatasetSpec
from harness_digits import data, train
from harness_digits.dataset import DigitsDataset


def test_even_positions_of_a_class_are_for_training_and_odd_ones_for_testing() -> None:
    labels = load_digits().target
    halves: dict[str, list[int]] = {"train": [], "test": []}
    seen = [0] * 10
    for index, label in enumerate(labels):
        halves["train" if seen[label] % 2 == 0 else "test"].append(index)
        seen[label] += 1
    for name, expected in halves.items():
        assert data.split(name).tolist() == expected
    assert (len(halves["train"]), len(halves["test"])) == (901, 896)


def test_the_dataset_is_the_half_that_training_never_saw() -> None:
    made = DigitsDataset(DatasetSpec("digits", None, {}, 10))
    tested = {int(sample.id) for sample in made.samples()}
    assert tested == set(data.split("test").tolist())
    assert tested.isdisjoint(data.split("train").tolist())
    assert np.union1d(data.split("train"), data.split("test")).tolist() == list(range(1797))
    assert 'split("train")' in train.__loader__.get_source(train.__name__)
