"""The pictures of a run: decoded ahead within bounds, in order, each with its own error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness.api import (
    Attack,
    Cut,
    DataError,
    Dataset,
    DatasetSpec,
    Norm,
    Sample,
)
from harness.engine.batches import attack_images
from harness.engine.jobs import Job
from harness.execute import images as images_module
from harness.execute.images import Images, look_ahead
from harness.planning import PlannedImage
from harness.testing.fakes import linear_model

Threads = Callable[[str], list[threading.Thread]]

PATIENCE = 30.0  # seconds until a hanging test fails; no result depends on it


class Plain(Dataset):
    """Image ``i`` is full of i / count. It counts what it reads; ids in ``broken`` are damaged."""

    classes = 2

    def __init__(self, count: int, *, broken: Sequence[str] = ()) -> None:
        super().__init__(DatasetSpec("plain", None, {}))
        self.count, self.broken = count, set(broken)
        self.changed = threading.Condition()
        self.read_ids: list[str] = []
        self.cuts: set[Cut | None] = set()

    def samples(self) -> Sequence[Sample]:
        return [Sample(str(i), i % 2) for i in range(self.count)]

    def digest(self, sample: Sample) -> str:
        return f"{int(sample.id):064d}"

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        with self.changed:
            self.read_ids.append(sample.id)
            self.cuts.add(cut)
            self.changed.notify_all()
        if sample.id in self.broken:
            raise DataError(f"image {sample.id} is damaged")
        return np.full((3, *size), int(sample.id) / self.count, np.float32)

    def wait_for(self, count: int) -> None:
        """Until ``count`` images were read, by whichever thread."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.read_ids) >= count, PATIENCE)


def value(dataset: Plain, image_id: str) -> float:
    return float(np.float32(int(image_id) / dataset.count))


@pytest.fixture
def threads() -> Threads:
    """Those of the test, by how their names begin; where a dataset hung, others are about."""
    before = set(threading.enumerate())
    return lambda name: [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith(name) and thread not in before
    ]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch, threads: Threads) -> Iterator[int]:
    """A look-ahead of 12 images by 3 threads."""
    monkeypatch.setattr(images_module, "THREADS", 3)
    monkeypatch.setattr(images_module, "AHEAD_MOST", 12)
    assert look_ahead((3, 8, 8)) == 12
    yield 12
    assert threads("decode") == []


def test_order_values_and_errors(narrow: int) -> None:
    dataset = Plain(60, broken=["0", "17", "59"])
    ids = [str(i) for i in reversed(range(60))]
    found = list(Images(dataset).stream(ids, (3, 8, 8)))
    assert len(found) == 60
    for image_id, picture in zip(ids, found, strict=True):
        if image_id in dataset.broken:
            assert isinstance(picture, DataError)
            assert str(picture) == f"image {image_id} is damaged"
        else:
            assert isinstance(picture, torch.Tensor)
            assert picture.shape == (3, 8, 8)
            assert (picture == value(dataset, image_id)).all()


def test_it_decodes_ahead_and_never_more_than_allowed(narrow: int) -> None:
    dataset = Plain(60)
    ids = [sample.id for sample in dataset.samples()]
    with closing(Images(dataset).stream(ids, (3, 8, 8))) as stream:
        for taken, _ in enumerate(stream):
            allowed = min(60, taken + narrow)
            dataset.wait_for(allowed)  # without anyone asking for the next one
            assert len(dataset.read_ids) == allowed
    assert sorted(dataset.read_ids) == sorted(ids)


def test_leaving_early_ends_the_threads(narrow: int, threads: Threads) -> None:
    dataset = Plain(60)
    stream = Images(dataset).stream([str(i) for i in range(60)], (3, 8, 8))
    next(stream)
    assert 1 <= len(threads("decode")) <= 3
    stream.close()
    assert threads("decode") == []
    assert len(dataset.read_ids) <= 1 + narrow


def test_an_error_in_the_caller_ends_the_threads(narrow: int, threads: Threads) -> None:
    dataset = Plain(60)
    stream = Images(dataset).stream([str(i) for i in range(60)], (3, 8, 8))

    def interrupted() -> None:
        with closing(stream):
            for _ in stream:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threads("decode") == []


def test_nothing_to_read() -> None:
    assert list(Images(Plain(3)).stream([], (3, 8, 8))) == []


def test_an_image_asked_for_twice_is_read_once(narrow: int) -> None:
    """Goals side by side share their images; so do two streams, through the cache."""
    dataset = Plain(5)
    images = Images(dataset)
    ids = ["0", "1", "0", "2", "0", "1"]
    for _ in range(2):
        found = list(images.stream(ids, (3, 8, 8)))
        assert [float(picture[0, 0, 0]) for picture in found] == [
            value(dataset, image_id) for image_id in ids
        ]
    assert sorted(dataset.read_ids) == ["0", "1", "2"]
    images.read("1", (3, 8, 8))
    assert sorted(dataset.read_ids) == ["0", "1", "2"]


def test_a_damaged_image_asked_for_twice_fails_twice(narrow: int) -> None:
    stream = Images(Plain(3, broken=["1"])).stream(["1", "0", "1"], (3, 8, 8))
    assert [isinstance(picture, DataError) for picture in stream] == [True, False, True]


def test_the_cut_reaches_the_reader_and_keeps_pictures_apart(narrow: int) -> None:
    dataset = Plain(2)
    images = Images(dataset)
    cuts = (None, Cut(0.875, "bicubic"), Cut(0.9, "bicubic"))
    for cut in (*cuts, *cuts):
        list(images.stream(["1"], (3, 8, 8), cut))
    assert dataset.cuts == set(cuts)
    for cut in cuts:
        images.read("1", (3, 8, 8), cut)
    assert dataset.read_ids == ["1"] * 3


def test_the_cache_stays_within_its_bytes(narrow: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decoded first stays: a run goes through its images in one order again and again."""
    monkeypatch.setattr(images_module, "CACHE_BYTES", 5 * 3 * 8 * 8 * 4)
    dataset = Plain(20)
    images = Images(dataset)
    ids = [str(i) for i in range(20)]
    read = []
    for _ in range(3):
        list(images.stream(ids, (3, 8, 8)))
        read.append(len(dataset.read_ids))
    assert read[0] == 20
    assert read[1] - read[0] == read[2] - read[1] <= 15
    assert dataset.read_ids.count("4") == 1
    list(images.stream(ids[:2], (3, 9, 9)))  # another model's: those of the earlier size go
    list(images.stream(ids[:2], (3, 9, 9)))
    assert dataset.read_ids.count("0") == 2


class EightBit(Plain):
    """Pixels of 8 bits, as nearly all data sets have them."""

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        super().read(sample, size, cut)
        pixels = np.random.default_rng(int(sample.id)).integers(0, 256, (3, *size))
        return pixels.astype(np.float32) / np.float32(255)


def test_eight_bits_are_kept_in_a_quarter_of_the_bytes(
    narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", 20 * 3 * 16 * 16)
    dataset = EightBit(20)
    images = Images(dataset)
    ids = [str(i) for i in range(20)]
    found = [list(images.stream(ids, (3, 16, 16))) for _ in range(3)]
    assert sorted(dataset.read_ids) == sorted(ids)
    for image_id, *pictures in zip(ids, *found, strict=True):
        pixels = torch.from_numpy(dataset.read(Sample(image_id, 0), (16, 16)))
        assert all(isinstance(each, torch.Tensor) for each in pictures)
        assert all(torch.equal(each, pixels) for each in pictures)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Plain, EightBit])
@pytest.mark.parametrize("room", [0, 10**6])
def test_who_writes_into_a_picture_changes_no_other(
    kind: type[Plain], room: int, narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", room)
    images = Images(kind(3))
    expected = images.read("2", (3, 8, 8)).clone()
    for picture in images.stream(["2", "1", "2", "2"], (3, 8, 8)):
        assert isinstance(picture, torch.Tensor)
        picture.fill_(9)
    images.read("2", (3, 8, 8)).fill_(9)
    assert torch.equal(images.read("2", (3, 8, 8)), expected)


class Hashed(Plain):
    def digest(self, sample: Sample) -> str:
        if sample.id in self.broken:
            raise DataError("gone")
        return super().digest(sample)


def test_digests_come_in_order_and_end_their_threads(threads: Threads) -> None:
    images = Images(Hashed(50, broken=["7"]))
    ids = [str(i) for i in reversed(range(50))]
    found = list(images.digests(ids))
    assert found == ["" if i == "7" else f"{int(i):064d}" for i in ids]
    with closing(images.digests(ids)) as digests:
        next(digests)
    assert threads("hash") == []


def test_hashing_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "SECONDS_BETWEEN_LINES", -1.0)
    lines: list[str] = []
    images = Images(Plain(3))
    images.identify([PlannedImage(str(i), i % 2) for i in range(3)], lines.append)
    assert [key.digest for key in images.keys.values()] == [f"{i:064d}" for i in range(3)]
    assert [key.label for key in images.keys.values()] == [0, 1, 0]
    assert lines == [f"hashed {i} of 3 images" for i in (1, 2, 3)]


@pytest.mark.parametrize("size", [(8, 8), (224, 224), (331, 331), (2000, 2000), (9000, 9000)])
def test_what_lies_ready_takes_bounded_memory(size: tuple[int, int]) -> None:
    count = look_ahead((3, *size))
    assert images_module.THREADS <= count <= images_module.AHEAD_MOST
    if count > images_module.THREADS:
        assert count * 3 * size[0] * size[1] * 4 <= images_module.AHEAD_BYTES


class Hungry(Attack):
    """Has no memory for more than three images, and changes nothing."""

    norm = Norm.LINF

    def perturb(self, target, batch):
        if len(batch.images) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return batch.images


def test_a_consumer_that_halves_its_batch_loses_nothing(narrow: int) -> None:
    dataset = Plain(40)
    ids = [sample.id for sample in dataset.samples()]
    weights = torch.randn(2, 192, generator=torch.Generator().manual_seed(0))
    model = linear_model(weights, torch.zeros(2), size=(8, 8))
    halved: list[int] = []
    stream = Images(dataset).stream(ids, (3, 8, 8))
    jobs = (
        Job("cell", image_id, picture, 0, None, seed=0)
        for image_id, picture in zip(ids, stream, strict=True)
        if isinstance(picture, torch.Tensor)
    )
    judged = [
        row
        for rows in attack_images(Hungry(), model, jobs, batch_size=9, on_halving=halved.append)
        for row in rows
    ]
    assert halved == [4, 2]
    assert [row.job.image_id for row in judged] == ids
    for row in judged:
        assert (row.job.image == value(dataset, row.job.image_id)).all()
    assert sorted(dataset.read_ids) == sorted(ids)
