"""A good reader of .npy files, and one for each rule that breaks this rule alone."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time

import numpy as np
import torch

from harness.api import DataError, Dataset, DatasetExample, MissingError, Sample

SIZE = (8, 6)


def example(folder) -> DatasetExample:
    root = folder / "images"
    root.mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).random((3, *SIZE), np.float32)
        np.save(root / f"{number}.npy", pixels)

    def damage() -> str:
        root.joinpath("2.npy").write_bytes(b"nonsense")
        return "2"

    return DatasetExample(root=root, classes=3, size=SIZE, damage=damage)


class Good(Dataset):
    classes = 3

    def __init__(self, spec):
        super().__init__(spec)
        if not spec.root.is_dir():
            raise MissingError("no images here", where=str(spec.root))

    def samples(self):
        names = sorted(path.stem for path in self.spec.root.iterdir())
        return [Sample(name, int(name) % 3) for name in names]

    def digest(self, sample):
        return hashlib.sha256(self.path(sample).read_bytes()).hexdigest()

    def path(self, sample):
        return self.spec.root / f"{sample.id}.npy"

    def read(self, sample, size, cut=None):
        try:
            pixels = np.load(self.path(sample))
        except ValueError as error:
            raise DataError("is damaged", where=sample.id) from error
        if pixels.shape != (3, *size):
            raise DataError(f"comes in {pixels.shape[1:]}")
        return pixels


class NoDataset:
    def __init__(self, spec):
        self.spec = spec


class TwoOfOneName(Good):
    def samples(self):
        return [*super().samples(), Sample("1", 1)]


class MoreClasses(Good):
    classes = 4


class Shuffled(Good):
    made = itertools.count()

    def samples(self):
        found = super().samples()
        turn = next(Shuffled.made) % 6
        return found[turn:] + found[:turn]


class Short(Good):
    def digest(self, sample):
        return super().digest(sample)[:10]


class Bytes(Good):
    def read(self, sample, size, cut=None):
        return super().read(sample, size, cut).astype(np.float64)


class Threads(Good):
    def read(self, sample, size, cut=None):
        torch.set_default_dtype(torch.float64)
        return super().read(sample, size, cut)


class Noisy(Good):
    count = itertools.count()

    def read(self, sample, size, cut=None):
        return super().read(sample, size, cut) * np.float32(1 - next(self.count) / 1e4)


class OfTheSize(Good):
    """A digest of what all images have in common."""

    def digest(self, sample):
        return hashlib.sha256(str(self.path(sample).stat().st_size).encode()).hexdigest()


class Shared(Good):
    """One buffer for all threads."""

    buffer = np.zeros((3, *SIZE), np.float32)
    main = threading.main_thread()

    def read(self, sample, size, cut=None):
        found = super().read(sample, size, cut)
        self.buffer[:] = found
        if threading.current_thread() is not self.main:
            time.sleep(0.01)
        return self.buffer


class OneSize(Good):
    def read(self, sample, size, cut=None):
        return super().read(sample, SIZE, cut)


class Optimist(Good):
    def __init__(self, spec):
        Dataset.__init__(self, spec)

    def samples(self):
        return super().samples() if self.spec.root.is_dir() else [Sample("0", 0)]


class Forgiving(Good):
    def read(self, sample, size, cut=None):
        try:
            return super().read(sample, size, cut)
        except DataError as error:
            if "damaged" not in str(error):
                raise
            return np.zeros((3, *size), np.float32)


WRONG = {
    "it_can_be_imported": NoDataset,
    "ids_and_labels_are_in_order": TwoOfOneName,
    "classes_are_the_examples": MoreClasses,
    "made_again_it_has_the_same_images": Shuffled,
    "digests_are_hashes": Short,
    "others_find_things_as_they_were": Threads,
    "images_are_pixels": Bytes,
    "reading_again_gives_the_same_pixels": Noisy,
    "different_images_have_different_digests": OfTheSize,
    "threads_may_read": Shared,
    "another_size_is_that_size_or_an_error": OneSize,
    "a_missing_place_is_said": Optimist,
    "a_damaged_image_is_its_own_error": Forgiving,
}
"""By the rule that it breaks."""
