"""Rules of dataset readers. What they return goes through the same checks as in a run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.api import (
    ConfigError,
    DataError,
    Dataset,
    DatasetSpec,
    HarnessError,
    MissingError,
    ModelSpec,
    PluginError,
    Preprocessing,
    Sample,
)
from harness.api.examples import DatasetExample
from harness.engine.guard import CHANGED
from harness.plugins import Registration
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.components import reader_of
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, NotChecked, Rules

THREADS = 8
MOST = 64
"""Images that are read; all that there are have an id, a label and a digest."""

rules: Rules[DatasetSubject] = Rules("dataset", see="docs/plugins.md: The other kinds")


class DatasetSubject:
    """The reader of a `Component`, and the dataset of its example."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @property
    def registration(self) -> Registration:
        return self.component.registration

    @cached_property
    def reader(self) -> type[Dataset]:
        return reader_of(self.registration)

    @cached_property
    def example(self) -> DatasetExample:
        """Without one, a dataset that needs no place and no options."""
        return self.component.example(DatasetExample) or DatasetExample()

    def made(self, root: Path | None) -> CheckedDataset:
        """The dataset at ``root``, as a run makes it."""
        example = self.example
        spec = DatasetSpec("example", root, example.options, example.classes)
        return CheckedDataset(self.reader, spec, self.registration.origin)

    @cached_property
    def dataset(self) -> CheckedDataset:
        """NotChecked where it is not there, and no example says where it would be."""
        try:
            return self.made(self.example.root)
        except (MissingError, ConfigError) as error:
            if self.component.example(DatasetExample) is not None:
                raise
            why = "there is no DatasetExample of it in HARNESS_EXAMPLES"
            raise NotChecked(f"{why}: {error}") from error

    @property
    def some(self) -> Sequence[Sample]:
        return self.dataset.samples()[:MOST]

    def read(self, sample: Sample) -> NDArray[np.float32]:
        return self.dataset.read(sample, self.example.size)

    @cached_property
    def images(self) -> list[NDArray[np.float32]]:
        return [self.read(sample) for sample in self.some]

    @cached_property
    def digests(self) -> list[str]:
        return [self.dataset.digest(sample) for sample in self.dataset.samples()]


def subject(component: Component) -> DatasetSubject:
    return DatasetSubject(component)


@rules.rule()
def it_can_be_imported(subject: DatasetSubject) -> None:
    """Its class is a `Dataset`."""
    assert subject.reader


@rules.rule(it_can_be_imported)
def ids_and_labels_are_in_order(subject: DatasetSubject) -> None:
    """Ids are different texts, labels whole numbers below `classes`, and there is an image."""
    assert subject.dataset


@rules.rule(ids_and_labels_are_in_order)
def classes_are_the_examples(subject: DatasetSubject) -> None:
    """It counts as many classes as its example says."""
    wanted = subject.example.classes
    if wanted is None:
        raise NotChecked("its example names no number of classes")
    if subject.dataset.classes != wanted:
        raise Broken(f"it counts {subject.dataset.classes} classes, its example {wanted}")


@rules.rule(ids_and_labels_are_in_order)
def made_again_it_has_the_same_images(subject: DatasetSubject) -> None:
    """Made again, it has the same ids and labels in the same order."""
    first = subject.dataset.samples()
    if first != (second := subject.made(subject.example.root).samples()):
        pairs = zip(first, second, strict=False)
        differing = next((pair for pair in pairs if pair[0] != pair[1]), None)
        what = f"{len(first)} images, then {len(second)}"
        raise Broken(what if differing is None else f"first {differing[0]}, then {differing[1]}")


@rules.rule(ids_and_labels_are_in_order)
def digests_are_hashes(subject: DatasetSubject) -> None:
    """Every digest is a SHA-256, and the second time the same."""
    for sample, digest in zip(subject.dataset.samples(), subject.digests, strict=True):
        if subject.dataset.digest(sample) != digest:
            raise Broken(f"the digest of image {sample.id} is another one the second time")


@rules.rule(ids_and_labels_are_in_order, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: DatasetSubject) -> None:
    """Reading leaves torch's settings and the process as they were."""
    size = subject.example.size
    model = ModelSpec("example", "example", None, Preprocessing(size), 2, {})
    try:
        subject.dataset.try_out(model)
    except PluginError as error:
        if f" {CHANGED} " in str(error):
            raise Broken(str(error)) from error
    except ConfigError:
        pass  # its images have other channels


@rules.rule(others_find_things_as_they_were)
def images_are_pixels(subject: DatasetSubject) -> None:
    """Every image is float32 (channels, height, width) of the size asked for, values in [0, 1]."""
    assert subject.images


@rules.rule(images_are_pixels)
def reading_again_gives_the_same_pixels(subject: DatasetSubject) -> None:
    """An image read twice is the same, bit for bit."""
    for sample, pixels in zip(subject.some, subject.images, strict=True):
        if not np.array_equal(subject.read(sample), pixels):
            raise Broken(f"image {sample.id} is another one the second time")


@rules.rule(reading_again_gives_the_same_pixels, digests_are_hashes)
def different_images_have_different_digests(subject: DatasetSubject) -> None:
    """A digest is of the content: images with the same digest have the same pixels."""
    seen: dict[str, int] = {}
    for row, digest in enumerate(subject.digests[: len(subject.images)]):
        first = seen.setdefault(digest, row)
        if not np.array_equal(subject.images[first], subject.images[row]):
            ids = f"{subject.some[first].id} and {subject.some[row].id}"
            raise Broken(f"images {ids} differ and have the same digest")


@rules.rule(reading_again_gives_the_same_pixels, digests_are_hashes)
def threads_may_read(subject: DatasetSubject) -> None:
    """Read from several threads at once, images and digests are what they were."""
    samples = [*subject.some] * 4
    with ThreadPoolExecutor(THREADS) as pool:
        images = list(pool.map(subject.read, samples))
        digests = list(pool.map(subject.dataset.digest, samples))
    for row, sample in enumerate(samples):
        place = row % len(subject.some)
        if not np.array_equal(images[row], subject.images[place]):
            raise Broken(f"image {sample.id} is another one where others are read beside it")
        if digests[row] != subject.digests[place]:
            raise Broken(f"the digest of image {sample.id} is another one beside others")


@rules.rule(images_are_pixels)
def another_size_is_that_size_or_an_error(subject: DatasetSubject) -> None:
    """Asked for another size, it returns an image of that size or says that it cannot."""
    height, width = subject.example.size
    for size in ((height + 3, width + 5), (max(1, height // 2), width)):
        try:
            subject.dataset.read(subject.some[0], size)
        except DataError as error:
            if str(error.what).startswith("read() returned"):
                raise Broken(f"asked for {size}, {error.what}") from error


@rules.rule(ids_and_labels_are_in_order)
def a_missing_place_is_said(subject: DatasetSubject) -> None:
    """Where there are no data, the constructor raises `MissingError`, or `ConfigError` for a place
    that it does not take.
    """
    if subject.example.root is None:
        raise NotChecked("it needs no place")
    nowhere = subject.component.folder / "nothing is here"
    try:
        found = subject.made(nowhere)
    except (MissingError, ConfigError):
        return
    except HarnessError as error:
        raise Broken(str(error)) from error
    raise Broken(f"where nothing is it found {len(found.samples())} images")


@rules.rule(
    reading_again_gives_the_same_pixels,
    different_images_have_different_digests,
    threads_may_read,
    another_size_is_that_size_or_an_error,
    a_missing_place_is_said,
    made_again_it_has_the_same_images,
)
def a_damaged_image_is_its_own_error(subject: DatasetSubject) -> None:
    """An image whose source is damaged is an error of its own when it is read; the others are
    read.
    """
    if subject.example.damage is None:
        raise NotChecked("its example cannot damage an image")
    damaged = subject.example.damage()
    dataset = subject.made(subject.example.root)
    for sample in subject.some:
        failed = _failure(dataset, sample, subject.example.size)
        if sample.id != damaged:
            if failed is not None:
                raise Broken(f"image {sample.id}, which is not damaged: {failed}")
        elif failed is None:
            raise Broken(f"image {damaged} was read as if it were not damaged")


def _failure(dataset: CheckedDataset, sample: Sample, size: tuple[int, int]) -> str | None:
    """Why an image cannot be read; what is no DataError is the plugin's."""
    try:
        dataset.read(sample, size)
    except DataError as error:
        return str(error)
    return None
