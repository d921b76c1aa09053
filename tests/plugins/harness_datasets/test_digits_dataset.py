"""The embedded digits behind the dataset interface."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.api import ConfigError, DataError, DatasetSpec, Sample
from harness_digits import data
from harness_digits.dataset import DigitsDataset


@pytest.fixture(scope="module")
def digits() -> DigitsDataset:
    return DigitsDataset(DatasetSpec("digits", None, {}))


def test_samples_are_the_test_half(digits: DigitsDataset) -> None:
    bunch = load_digits()
    samples = digits.samples()
    assert [int(sample.id) for sample in samples] == data.split("test").tolist()
    assert [sample.label for sample in samples] == bunch.target[data.split("test")].tolist()
    assert digits.classes == 10


def test_an_image_is_the_original_enlarged(digits: DigitsDataset) -> None:
    sample = digits.samples()[5]
    image = digits.read(sample, (32, 32))
    assert image.dtype == np.float32
    assert image.shape == (3, 32, 32)
    # Four by four means give back the original, where it is smooth enough for clamped edges.
    small = load_digits().images[int(sample.id)] / 16
    large = image[0].reshape(8, 4, 8, 4).mean((1, 3))
    assert np.abs(large - small).max() < 0.5
    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.95


def test_a_reader_cannot_be_spoilt_by_its_user(digits: DigitsDataset) -> None:
    sample = digits.samples()[0]
    before = digits.digest(sample)
    digits.read(sample, (32, 32))[:] = 0
    assert digits.digest(sample) == before


def test_digests_tell_images_apart(digits: DigitsDataset) -> None:
    found = {digits.digest(sample) for sample in digits.samples()}
    assert len(found) == len(digits.samples())
    assert all(len(digest) == 64 for digest in found)
    # Frozen: a platform or version that makes other pixels must not share outcomes.
    assert digits.digest(digits.samples()[0]) == FIRST


FIRST = "5721d6b802c5dbf1ea2df4dfcf6d38d7af2af60e5631cbf01f2fd826dc6f3be5"


def test_other_sizes_images_and_options_are_refused(digits: DigitsDataset) -> None:
    sample = digits.samples()[0]
    with pytest.raises(DataError, match=rf"image {sample.id}: comes in 32 x 32, not 28 x 28; set"):
        digits.read(sample, (28, 28))
    with pytest.raises(DataError, match="image 9999: is not in the test half"):
        digits.digest(Sample("9999", 0))
    with pytest.raises(ConfigError, match="unknown option 'split'"):
        DigitsDataset(DatasetSpec("digits", None, {"split": "train"}))
