"""Images as arrays: NumPy's files, and CIFAR and MNIST as torchvision reads them itself."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image

from harness.api import ConfigError, Cut, DatasetSpec, HarnessError, MissingError, Sample
from harness_datasets import decoding
from harness_datasets.npz import NpzDataset
from harness_datasets.torchvision import TorchvisionDataset

N, H, W = 5, 7, 9
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (N, H, W, 3), np.uint8)
LABELS = np.array([0, 1, 2, 1, 0])


def npz(path: Path, options: dict[str, Any] | None = None, **arrays: Any) -> NpzDataset:
    file = path / "mine.npz"
    np.savez(file, **{"images": COLOURS, "labels": LABELS, **arrays})
    return NpzDataset(DatasetSpec("mine", file, options or {}))


def pixels(made: NpzDataset | TorchvisionDataset, size: tuple[int, int] = (H, W)) -> np.ndarray:
    return np.stack([made.read(sample, size) for sample in made.samples()])


@pytest.mark.parametrize(
    "images",
    [COLOURS, COLOURS.transpose(0, 3, 1, 2), COLOURS / 255, (COLOURS / 255).astype(np.float32)],
    ids=["NHWC", "NCHW", "floats", "float32"],
)
def test_colours_in_every_layout_are_the_same_images(tmp_path: Path, images: np.ndarray) -> None:
    made = npz(tmp_path, images=images, names=["a", "b", "c"])
    expected = COLOURS.transpose(0, 3, 1, 2) / np.float32(255)
    assert pixels(made).dtype == np.float32
    assert pixels(made) == pytest.approx(expected, abs=1e-7)
    assert [sample.label for sample in made.samples()] == LABELS.tolist()
    assert [sample.id for sample in made.samples()] == [f"{row:05d}" for row in range(N)]
    assert (made.classes, made.image_size) == (3, (H, W))
    assert tuple(made.class_names) == ("a", "b", "c")


@pytest.mark.parametrize("shape", [(N, H, W), (N, 1, H, W), (N, H, W, 1), (N, H, W, 4)])
def test_grey_and_four_channels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = RNG.integers(0, 256, shape, np.uint8)
    found = pixels(npz(tmp_path, images=images))
    assert found.shape == (N, 4 if shape[-1] == 4 else 1, H, W)
    first = images.transpose(0, 3, 1, 2) if shape[-1] == 4 else images.reshape(N, 1, H, W)
    assert np.array_equal(found, first / np.float32(255))


def test_other_sizes_are_cropped_and_resized_as_files_are(tmp_path: Path) -> None:
    made, photos = npz(tmp_path), tmp_path / "photos" / "c"
    photos.mkdir(parents=True)
    for row, image in enumerate(COLOURS):
        Image.fromarray(image).save(photos / f"{row}.png")
    for options, cut in (({}, None), ({"resize": "timm"}, Cut(0.8, "bilinear"))):
        made = npz(tmp_path, options)
        for row, sample in enumerate(made.samples()):
            with Image.open(photos / f"{row}.png") as image:
                preset = decoding.CUTS[options.get("resize", "paper")]
                expected = np.asarray(preset(image, (4, 4), cut)).transpose(2, 0, 1)
            assert np.array_equal(made.read(sample, (4, 4), cut), expected / np.float32(255))
    floats = npz(tmp_path, images=(COLOURS / 255).astype(np.float32))
    assert pixels(floats, (4, 4)) == pytest.approx(pixels(npz(tmp_path), (4, 4)), abs=2 / 255)


def test_names_ids_and_splits_are_found(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "med.npz",
        train_images=COLOURS[:2], train_labels=LABELS[:2, None],
        test_images=COLOURS[2:], test_labels=LABELS[2:, None],
        test_ids=np.array(["x", "y", "z"]),
    )  # fmt: skip
    made = NpzDataset(DatasetSpec("med", tmp_path / "med.npz", {}))
    assert made.samples() == (Sample("x", 2), Sample("y", 1), Sample("z", 0))
    train = NpzDataset(DatasetSpec("med", tmp_path / "med.npz", {"split": "train"}))
    assert train.samples() == (Sample("00000", 0), Sample("00001", 1))
    np.savez(tmp_path / "odd.npz", pictures=COLOURS, kinds=LABELS)
    options = {"images": "pictures", "labels": "kinds"}
    assert len(NpzDataset(DatasetSpec("odd", tmp_path / "odd.npz", options)).samples()) == N


def test_labels_may_be_names(tmp_path: Path) -> None:
    made = npz(tmp_path, labels=np.array(["dog", "cat", "dog", "owl", "cat"]))
    assert tuple(made.class_names) == ("cat", "dog", "owl")
    assert [sample.label for sample in made.samples()] == [1, 0, 1, 2, 0]


def test_a_digest_is_that_of_the_values(tmp_path: Path) -> None:
    made = npz(tmp_path)
    first, second = made.samples()[:2]
    assert made.digest(first) == hashlib.sha256(COLOURS[0].tobytes()).hexdigest()
    assert made.digest(first) != made.digest(second)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "ambiguous": ({"images": np.zeros((N, 3, 8, 3), np.uint8)}, "either the second axis or the la"),
    "no channels": ({"images": np.zeros((N, 7, 8, 9), np.uint8)}, "no axis looks like the chan"),
    "flat": ({"images": np.zeros((N, 784), np.uint8)}, r"mine.npz: images: images are of shape"),
    "255": ({"images": COLOURS.astype(np.float32)}, r"row 0: values from \d to 2\d\d, outs"),
    "normalised": ({"images": COLOURS / 127.5 - 1}, "row 0: values from -"),
    "NaN": ({"images": np.where(np.arange(N)[:, None, None] == 3, np.nan, np.zeros((N, H, W)))},
            "row 3: values from nan"),
    "int64": ({"images": COLOURS.astype(np.int64)}, "images are int64; save uint8"),
    "one label less": ({"labels": LABELS[1:]}, r"labels are of shape \(4,\) for 5 images"),
    "one-hot": ({"labels": np.eye(3)[LABELS]}, r"labels are of shape \(5, 3\).*argmax"),
    "float labels": ({"labels": LABELS.astype(float)}, "labels are float64; save whole numbers"),
    "negative": ({"labels": LABELS - 1}, "row 0: label -1 is none of 0 to 1"),
    "too few names": ({"names": ["a", "b"]}, "row 2: label 2 is none of 0 to 1"),
    "unknown name": ({"labels": np.array([*"abcda"]), "names": ["a", "b", "c"]}, "row 3: label 'd"),
    "objects": ({"names": np.array([{}], object)}, "reading one can run any code"),
    "empty": ({"images": COLOURS[:0], "labels": LABELS[:0]}, "holds no images"),
    "ids": ({"ids": np.array(["a"])}, "1 ids for 5 images"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_array_is_named_with_its_row(tmp_path: Path, case: str) -> None:
    arrays, what = WRONG[case]
    with pytest.raises(HarnessError, match=what) as caught:
        npz(tmp_path, **arrays)
    assert "mine.npz" in str(caught.value)


def test_what_is_ambiguous_can_be_said(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (N, 3, 8, 3), np.uint8)
    for layout, size in (("nchw", (8, 3)), ("nhwc", (3, 8))):
        assert npz(tmp_path, {"layout": layout}, images=images).image_size == size


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"nonsense", "no readable .npz file|run any code"),
        (b"", "no readable .npz file"),
        (b"PK\x03\x04 cut off", "no readable .npz file"),
    ],
)
def test_what_is_no_file_of_numpys(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(MissingError, match=what):
        NpzDataset(DatasetSpec("x", tmp_path / "x.npz", {}))


def test_what_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", COLOURS)
    np.savez(tmp_path / "y.npz", labels=LABELS)
    for name, what in (("x.npy", "one array without a name"), ("y.npz", "no array of images: lab")):
        with pytest.raises(MissingError, match=what):
            NpzDataset(DatasetSpec("x", tmp_path / name, {}))
    with pytest.raises(MissingError, match="does not exist"):
        NpzDataset(DatasetSpec("x", tmp_path / "z.npz", {}))
    with pytest.raises(ConfigError, match="no array is called 'b'; choose from labels"):
        NpzDataset(DatasetSpec("x", tmp_path / "y.npz", {"images": "b"}))


def idx(path: Path, values: np.ndarray, *, packed: bool = False) -> None:
    content = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    content += values.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".gz" * packed).write_bytes(
        gzip.compress(content) if packed else content
    )


@pytest.mark.parametrize("name", ["MNIST", "KMNIST", "FashionMNIST"])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_is_what_torchvision_reads(tmp_path: Path, name: str, packed: bool) -> None:
    kind = getattr(torchvision.datasets, name)
    raw = tmp_path / name / "raw"
    for stem, count in (("t10k", 6), ("train", 4)):
        images = RNG.integers(0, 256, (count, 28, 28), np.uint8)
        idx(raw / f"{stem}-images-idx3-ubyte", images)
        idx(raw / f"{stem}-labels-idx1-ubyte", RNG.integers(0, 10, count))
    for split in ("test", "train"):
        theirs = kind(tmp_path, train=split == "train")
        if packed:
            for file in raw.glob("*ubyte"):
                file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
                file.unlink()
        made = TorchvisionDataset(DatasetSpec("mine", tmp_path, {"split": split}))
        assert [sample.label for sample in made.samples()] == theirs.targets.tolist()
        assert np.array_equal(pixels(made, (28, 28))[:, 0] * 255, theirs.data.numpy())
        assert made.classes == 10
        if packed:
            break
    if name == "FashionMNIST":
        assert made.class_names == tuple(theirs.classes)
    direct = TorchvisionDataset(DatasetSpec("mine", raw, {"split": split}))
    assert direct.samples() == made.samples()


def cifar(folder: Path, batches: tuple[str, ...], meta: str, keys: tuple[str, str]) -> None:
    """As the makers' Python 2 wrote them: bytes everywhere."""
    folder.mkdir(parents=True)
    for batch in batches:
        rows = {
            b"data": RNG.integers(0, 256, (3, 3072), np.uint8),
            keys[0].encode(): RNG.integers(0, 10, 3).tolist(),
        }
        (folder / batch).write_bytes(pickle.dumps(rows, protocol=2))
    names = [b"name%d" % number for number in range(10)]
    (folder / meta).write_bytes(pickle.dumps({keys[1].encode(): names}, protocol=2))


def _as_torchvision_keys(load: Any) -> Any:
    """What Python 2's text is to torchvision (encoding="latin1"): these pickles hold bytes."""

    def text(file: Any, **options: Any) -> Any:
        return {key.decode(): value for key, value in load(file, **options).items()}

    return text


def test_cifar_is_what_torchvision_reads(tmp_path: Path, monkeypatch) -> None:
    batches = ("test_batch", *(f"data_batch_{number}" for number in range(1, 6)))
    cifar(tmp_path / "cifar-10-batches-py", batches, "batches.meta", ("labels", "label_names"))
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(kind, "_load_meta", lambda self: None)
    monkeypatch.setattr("pickle.load", _as_torchvision_keys(pickle.load))
    for split, count in (("test", 3), ("train", 15)):
        theirs = kind(tmp_path, train=split == "train")
        made = TorchvisionDataset(DatasetSpec("mine", tmp_path, {"split": split}))
        assert len(made.samples()) == count
        assert np.array_equal(pixels(made, (32, 32)).transpose(0, 2, 3, 1) * 255, theirs.data)
        assert [sample.label for sample in made.samples()] == theirs.targets
        assert made.class_names == tuple(f"name{number}" for number in range(10))


def test_the_binary_cifar_has_labels_before_its_pixels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rows = RNG.integers(0, 10, (4, 3073), np.uint8)
    (folder / "test_batch.bin").write_bytes(rows.tobytes())
    made = TorchvisionDataset(DatasetSpec("mine", tmp_path, {}))
    assert [sample.label for sample in made.samples()] == rows[:, 0].tolist()
    assert made.class_names[:2] == ("airplane", "automobile")
    assert np.array_equal(pixels(made, (32, 32)).reshape(4, -1) * 255, rows[:, 1:])


class Bomb:
    def __reduce__(self) -> Any:
        return print, ("boom",)


def test_no_code_runs_and_no_damage_passes(tmp_path: Path, capfd) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    cifar(folder, ("test_batch",), "batches.meta", ("labels", "label_names"))
    good = (folder / "test_batch").read_bytes()
    for content, what in (
        (pickle.dumps({b"data": Bomb()}), "reading it could run any code"),
        (good[:100], "test_batch"),
        (pickle.dumps([1]), "holds no dictionary"),
        (
            pickle.dumps({b"data": np.zeros((3, 3072), np.uint8), b"labels": [1, 2]}, 2),
            "a label each",
        ),
        (pickle.dumps({b"data": np.array([None]), b"labels": [1]}, 2), "a label each"),
    ):
        (folder / "test_batch").write_bytes(content)
        with pytest.raises(MissingError, match=what):
            TorchvisionDataset(DatasetSpec("mine", tmp_path, {}))
    assert "boom" not in capfd.readouterr().out


def test_what_is_there_decides_or_the_user_does(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"it takes cifar-10-batches-py, .*MNIST/raw"):
        TorchvisionDataset(DatasetSpec("mine", tmp_path, {}))
    for name in ("MNIST", "KMNIST"):
        idx(tmp_path / name / "raw" / "t10k-images-idx3-ubyte", np.zeros((2, 28, 28)))
        idx(tmp_path / name / "raw" / "t10k-labels-idx1-ubyte", np.ones(2))
    with pytest.raises(ConfigError, match="holds mnist and kmnist; say the dataset's option name"):
        TorchvisionDataset(DatasetSpec("mine", tmp_path, {}))
    assert (
        TorchvisionDataset(DatasetSpec("mine", tmp_path, {"name": "kmnist"})).class_names[1] == "ki"
    )
    idx(tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte", np.ones(3))
    with pytest.raises(MissingError, match=r"labels are of shape \(3,\) for 2 images"):
        TorchvisionDataset(DatasetSpec("mine", tmp_path, {"name": "mnist"}))
    (tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + bytes(20))
    with pytest.raises(MissingError, match=r"ubyte: holds 8 values, its header says \(0, 0, 0\)"):
        TorchvisionDataset(DatasetSpec("mine", tmp_path, {"name": "mnist"}))
