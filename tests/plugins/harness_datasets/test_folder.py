"""Folders of image files: every mode an image comes in, and everything that is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from harness.api import ConfigError, DataError, DatasetSpec, MissingError, Sample
from harness_datasets import decoding
from harness_datasets.folder import FolderDataset

TENCH, GOLDFISH, TOILET_PAPER = "n01440764", "n01443537", "n15075141"  # classes 0, 1 and 999
GREEN = (30, 200, 90)


def dataset(root: Path | None, **options: object) -> FolderDataset:
    return FolderDataset(DatasetSpec("mine", root, options))


def put(root: Path, name: str, image: Image.Image | None = None, **settings: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new("RGB", (20, 16), GREEN)).save(path, **settings)
    return path


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def read(path: Path, size: tuple[int, int] = (8, 8), **options: object) -> np.ndarray:
    """The picture through the reader; its folder's parent is the root."""
    made = dataset(path.parent.parent, classes="sorted", **options)
    return made.read(Sample(f"{path.parent.name}/{path.name}", 0), size)


def test_samples_are_sorted_and_numbered_as_imagenet(tmp_path: Path) -> None:
    for name in (
        f"{TOILET_PAPER}/b.PNG",
        f"{TENCH}/z.jpg",
        f"{TENCH}/A.JPEG",
        f"{GOLDFISH}/x.webp",
    ):
        put(tmp_path, name)
    put(tmp_path, f"{GOLDFISH}/w.bmp")
    put(tmp_path, f"{TENCH}/.hidden.png")
    put(tmp_path, f"{TENCH}/deeper/y.png")
    put(tmp_path, ".cache/y.png")
    put(tmp_path, "loose.png")
    (tmp_path / TENCH / "labels.txt").write_text("no image")
    made = dataset(tmp_path)
    assert made.classes == 1000
    assert [(sample.id, sample.label) for sample in made.samples()] == [
        (f"{TENCH}/A.JPEG", 0),
        (f"{TENCH}/z.jpg", 0),
        (f"{GOLDFISH}/w.bmp", 1),
        (f"{GOLDFISH}/x.webp", 1),
        (f"{TOILET_PAPER}/b.PNG", 999),
    ]
    for sample in made.samples():
        assert (
            made.digest(sample) == hashlib.sha256((tmp_path / sample.id).read_bytes()).hexdigest()
        )


def test_class_numbers_are_timms(tmp_path: Path) -> None:
    from timm.data.imagenet_info import ImageNetInfo

    names: list[str] = ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
    for wnid in names:
        put(tmp_path, f"{wnid}/i.png", Image.new("L", (1, 1)))
    found = dataset(tmp_path).samples()
    assert len(found) == 1000
    assert all(names[sample.label] == sample.id.split("/")[0] for sample in found)


def test_other_folders_by_their_names(tmp_path: Path) -> None:
    put(tmp_path, "dog/1.png")
    put(tmp_path, "cat/1.png")
    (tmp_path / "bird").mkdir()
    with pytest.raises(MissingError, match=r"3 of 3 folders .*: bird, cat, dog; .*classes: sorted"):
        dataset(tmp_path, classes="imagenet")
    made = dataset(tmp_path)
    assert dataset(tmp_path, classes="sorted").samples() == made.samples()
    assert list(made.class_names) == ["bird", "cat", "dog"]
    assert made.classes == 3
    assert made.samples() == (Sample("cat/1.png", 1), Sample("dog/1.png", 2))


def test_one_wrong_folder_among_good_ones_is_named(tmp_path: Path) -> None:
    put(tmp_path, f"{TENCH}/1.png")
    put(tmp_path, "thumbnails/1.png")
    with pytest.raises(MissingError, match=r"1 of 2 folders are not ImageNet classes: thumbnails;"):
        dataset(tmp_path)


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"dataset mine: has no folder; .*--data mine=PATH"):
        dataset(None)
    with pytest.raises(MissingError, match=r"nowhere: does not exist; .*--data mine=PATH"):
        dataset(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match=r"file: is not a folder; .*--data mine=PATH"):
        dataset(tmp_path / "file")


@pytest.mark.parametrize("kind", ["nothing", "empty class", "images without folders"])
def test_a_root_without_pictures(tmp_path: Path, kind: str) -> None:
    if kind == "empty class":
        (tmp_path / TENCH).mkdir()
    elif kind == "images without folders":
        put(tmp_path, "1.png")
    with pytest.raises(MissingError, match=r"holds no images .* <root>/<class>/<file>: --data"):
        dataset(tmp_path)


def test_wrong_options(tmp_path: Path) -> None:
    put(tmp_path, f"{TENCH}/1.png")
    with pytest.raises(ConfigError, match=r"options.resize: is 'big'; choose from paper, slim"):
        dataset(tmp_path, resize="big")
    with pytest.raises(ConfigError, match=r"unknown option 'crop'; .* classes, resize"):
        dataset(tmp_path, crop=3)


@pytest.mark.parametrize("resize", sorted(decoding.CUTS))
@pytest.mark.parametrize("size", [(8, 8), (6, 10), (40, 24)])
def test_the_result_is_rgb_in_the_unit_box(
    tmp_path: Path, resize: str, size: tuple[int, int]
) -> None:
    image = read(put(tmp_path, "a/1.png", noise(33, 17)), size, resize=resize)
    assert image.dtype == np.float32
    assert image.shape == (3, *size)
    assert image.flags.c_contiguous
    assert 0 <= image.min() < image.max() <= 1
    green = read(put(tmp_path, "a/2.png"), size, resize=resize)
    expected = np.array(GREEN, np.float32)[:, None, None] / np.float32(255)
    assert np.array_equal(green, np.broadcast_to(expected, green.shape))


MODES = {
    "grey.png": (Image.new("L", (20, 16), 77), (77, 77, 77)),
    "grey.jpg": (Image.new("L", (20, 16), 77), (77, 77, 77)),
    "grey alpha.png": (Image.new("LA", (20, 16), (77, 9)), (77, 77, 77)),
    "bits.png": (Image.new("1", (20, 16), 1), (255, 255, 255)),
    "rgba.png": (Image.new("RGBA", (20, 16), (*GREEN, 0)), GREEN),
    "rgba.webp": (Image.new("RGBA", (20, 16), (*GREEN, 128)), GREEN),
    "palette.png": (Image.new("RGB", (20, 16), GREEN).quantize(4), GREEN),
    "cmyk.jpg": (Image.new("CMYK", (20, 16), (225, 55, 165, 0)), GREEN),
    "sixteen.png": (Image.fromarray(np.full((16, 20), 77 * 257 + 90, np.uint16)), (77, 77, 77)),
    "plain.bmp": (Image.new("RGB", (20, 16), GREEN), GREEN),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_simply_works(tmp_path: Path, name: str) -> None:
    image, expected = MODES[name]
    path = put(tmp_path, f"a/{name}", image)
    with Image.open(path) as opened:
        assert opened.mode != "RGB" or name in ("plain.bmp", "rgba.webp")
    found = read(path) * 255
    tolerance = 5 if name.endswith(("jpg", "webp")) else 1e-3
    assert np.abs(found - np.array(expected)[:, None, None]).max() <= tolerance


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 16), GREEN).quantize(4)
    found = read(put(tmp_path, "a/1.png", image, transparency=bytes([0, 128, 255, 9])))
    assert np.allclose(found * 255, np.array(GREEN)[:, None, None])


def test_exif_rotation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    plain = put(tmp_path, "a/1.jpg", noise(20, 16), quality=95)
    turned = put(tmp_path, "a/2.jpg", noise(20, 16), quality=95, exif=exif)
    assert np.array_equal(read(plain), read(turned))


@pytest.mark.parametrize("shape", [(50, 50), (61, 40), (40, 61), (333, 257), (20, 90)])
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_paper_is_resize_then_crop(
    tmp_path: Path, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    image = noise(*shape)
    scale = max(size[0] / image.height, size[1] / image.width)
    large = image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS
    )
    left, top = (large.width - size[1]) // 2, (large.height - size[0]) // 2
    crop = np.asarray(large)[top : top + size[0], left : left + size[1]]
    found = read(put(tmp_path, "a/1.png", image), size, resize="paper")
    assert np.array_equal(found, crop.transpose(2, 0, 1) / np.float32(255))


def test_slim_drops_a_sixteenth_on_every_side(tmp_path: Path) -> None:
    """A frame of a sixteenth of each side disappears, and not more."""
    pixels = np.full((64, 96, 3), 255, np.uint8)
    pixels[4:60, 6:90] = 0
    assert read(put(tmp_path, "a/1.png", Image.fromarray(pixels)), resize="slim").max() == 0
    pixels[4, 6] = 255
    assert read(put(tmp_path, "a/2.png", Image.fromarray(pixels)), resize="slim").max() > 0


def fails(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "replace or remove the file" in str(caught.value)


@pytest.mark.parametrize("name", ["1.jpg", "1.png", "1.webp"])
@pytest.mark.parametrize("part", [0.1, 0.6])
def test_a_picture_cut_short(tmp_path: Path, name: str, part: float) -> None:
    path = put(tmp_path, f"a/{name}", noise(90, 70))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    fails(path, "cannot be read|not a JPEG|cannot be decoded")


NO_IMAGE = r"is not an image in a supported format \(.*BMP, GIF, JPEG, PNG, TIFF"


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n"], ids=repr)
def test_what_is_called_jpg_and_is_none(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path, "a/1.jpg")
    path.write_bytes(content)
    fails(path, NO_IMAGE)


def test_a_picture_without_pixels(tmp_path: Path) -> None:
    path = put(tmp_path, "a/1.gif")
    path.write_bytes(b"GIF89a\1\0\1\0\0\0\0;")
    fails(path, "cannot be read|cannot be decoded|not an image")


@pytest.mark.parametrize("other", ["PPM", "ICO", "EPS", "PCX"])
def test_other_decoders_are_never_reached(tmp_path: Path, other: str) -> None:
    path = put(tmp_path, "a/1.jpg")
    noise(16, 16).save(path, format=other)
    fails(path, NO_IMAGE)


@pytest.mark.parametrize("suffix", ["tif", "TIFF", "gif", "jfif", "jpe", "avif", "webp"])
def test_pictures_of_every_suffix_that_pillow_reads(tmp_path: Path, suffix: str) -> None:
    kind = {"avif": "AVIF", "webp": "WEBP"}.get(suffix)
    if kind and not features.check(suffix):
        pytest.skip(f"this Pillow reads no {kind}")
    settings = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    kinds = {"tif": "TIFF", "tiff": "TIFF", "gif": "GIF", "jfif": "JPEG", "jpe": "JPEG"}
    path = put(
        tmp_path,
        f"a/1.{suffix}",
        format=kind or kinds[suffix.lower()],
        **(settings if kind else {}),
    )
    assert [sample.id for sample in dataset(tmp_path, classes="sorted").samples()] == [
        f"a/1.{suffix}"
    ]
    assert np.abs(read(path) * 255 - np.array(GREEN)[:, None, None]).max() <= 5


@pytest.mark.parametrize("pixels", [np.float32, np.int32])
def test_pixels_without_a_known_range(tmp_path: Path, pixels: type) -> None:
    path = tmp_path / "a" / "1.tif"
    path.parent.mkdir()
    Image.fromarray(np.full((9, 9), 70_000, pixels)).save(path)
    fails(path, "its pixels (are floats|have more than 16 bits)")


def test_what_is_passed_over_is_counted_and_said(tmp_path: Path) -> None:
    """A pipe called picture.jpg would be waited for, for ever."""
    put(tmp_path, "a/1.png")
    for name in ("a/1.heic", "a/2.HEIC", "a/labels.txt", "a/noname", "a/.hidden"):
        (tmp_path / name).touch()
    (tmp_path / "a" / "deeper.jpg").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    (tmp_path / "a" / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "a" / "socket.jpg"))
    put(tmp_path, "loose.png")
    (tmp_path / "README.md").touch()
    with pytest.warns(UserWarning, match="skipped") as caught:
        found = dataset(tmp_path, classes="sorted").samples()
    assert [sample.id for sample in found] == ["a/1.png"]
    (line,) = [str(each.message) for each in caught]
    assert line.startswith(
        f"dataset mine: {tmp_path}: 9 skipped because they are not readable images"
    )
    for part in (
        "pipes, sockets or devices (3)", "*.heic (2)", "*.txt (1)", "without a suffix (1)",
        "folders (1)", "*.png outside class folders (1)",
    ):  # fmt: skip
        assert part in line


def test_a_link_that_leads_nowhere_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png")
    path = tmp_path / "a" / "2.png"
    path.symlink_to("gone.png")
    made = dataset(tmp_path, classes="sorted")
    assert [sample.id for sample in made.samples()] == ["a/1.png", "a/2.png"]
    with pytest.raises(DataError, match="No such file"):
        made.digest(made.samples()[1])


def test_names_that_are_no_text_have_ids_that_are(tmp_path: Path) -> None:
    root = tmp_path / "root"
    folder = os.fsencode(root) + b"/caf\xe9"
    Path(os.fsdecode(folder)).mkdir(parents=True)
    for name in (b"/\xff.png", b"/ok \xc3\xa9.png", b"/n\\.png"):
        shutil.copy(put(tmp_path, "one.png"), folder + name)
    made = dataset(root, classes="sorted")
    assert [sample.id for sample in made.samples()] == [
        "caf\\xe9/n\\.png", "caf\\xe9/ok é.png", "caf\\xe9/\\xff.png"
    ]  # fmt: skip
    for sample in made.samples():
        sample.id.encode()
        assert len(made.digest(sample)) == 64
        assert made.read(sample, (8, 8)).shape == (3, 8, 8)
    (root / "caf\\xe9").mkdir()
    for name in ("ok é.png", "\\xff.png"):
        shutil.copy(tmp_path / "one.png", root / "caf\\xe9" / name)
    with pytest.raises(MissingError, match=r"caf\\xe9/.*png is the id of two files; rename"):
        dataset(root, classes="sorted")


def folders(root: Path, *names: str, classes: int | None = None, order: object = "sorted") -> Any:
    """The dataset of an image in each of ``names``; its folders by number."""
    for name in names:
        put(root, f"{name}/1.png")
    made = FolderDataset(DatasetSpec("mine", root, {"classes": order}, classes))
    return {sample.label: sample.id.partition("/")[0] for sample in made.samples()}


NUMBERED = ("0", "1", "2", "10", "11")


def test_numbered_folders_have_an_order_only_where_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        MissingError,
        match=r"can be read in two ways: class 2 is 10 as text, 2 by number; say classes: natural",
    ):
        folders(tmp_path, *NUMBERED)
    assert folders(tmp_path, order="natural") == dict(enumerate(NUMBERED))
    assert folders(tmp_path, order="imagefolder") == dict(enumerate(sorted(NUMBERED)))
    backwards = list(reversed(NUMBERED))
    assert folders(tmp_path, order=backwards) == dict(enumerate(backwards))
    assert folders(tmp_path / "few", "0", "1", "2") == {0: "0", 1: "1", 2: "2"}
    assert folders(tmp_path / "wide", "01", "02", "10") == {0: "01", 1: "02", 2: "10"}
    with pytest.raises(MissingError, match=r"class 0 is class10 as text, class9 by number"):
        folders(tmp_path / "words", "class10", "class9")
    assert folders(tmp_path / "zeros", "1", "01", order="natural") == {0: "01", 1: "1"}


@pytest.mark.parametrize("order", ["sorted", "natural", "imagefolder"])
def test_folders_that_would_shift_the_labels(tmp_path: Path, order: str) -> None:
    assert folders(tmp_path, "cat", "dog", classes=2, order=order) == {0: "cat", 1: "dog"}
    with pytest.raises(
        MissingError, match=r"holds 3 class folders, the dataset has 2 classes: 0 __MACOSX, 1 cat"
    ):
        folders(tmp_path, "__MACOSX", classes=2, order=order)
    with pytest.raises(MissingError, match=r"holds 3 class folders, the dataset has 4 classes"):
        folders(tmp_path, classes=4, order=order)


def test_a_list_of_classes(tmp_path: Path) -> None:
    names = ["dog", "cat", "bird"]
    with pytest.warns(UserWarning, match="1 of 3 classes have no folder: bird"):
        assert folders(tmp_path, "cat", "dog", classes=3, order=names) == {0: "dog", 1: "cat"}
    with pytest.raises(MissingError, match=r"1 of 3 folders are not listed in .*: __MACOSX; "):
        folders(tmp_path, "__MACOSX", classes=3, order=names)
    with pytest.raises(ConfigError, match=r"lists 3 classes, the dataset has 2; list every"):
        folders(tmp_path, classes=2, order=names)
    for wrong in (["a", "a"], [1, 2], [["a"]]):
        with pytest.raises(ConfigError, match="is no list of different names; put numbers in quo"):
            folders(tmp_path, order=wrong)


def test_class_folders_without_pictures_are_told(tmp_path: Path) -> None:
    (tmp_path / "bird").mkdir()
    with pytest.warns(UserWarning, match="1 of 3 class folders hold no images: 0 bird"):
        assert folders(tmp_path, "cat", "dog", classes=3) == {1: "cat", 2: "dog"}


def test_a_picture_whose_name_lies_about_its_format_works(tmp_path: Path) -> None:
    """ImageNet has a PNG called .JPEG."""
    path = put(tmp_path, "a/1.png")
    shutil.move(path, path.with_suffix(".jpeg"))
    assert read(path.with_suffix(".jpeg")).shape == (3, 8, 8)


@pytest.mark.parametrize("side", [10_000, 40_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    path = put(tmp_path, "a/1.png")
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b""))
    fails(path, "too large: ")


def test_a_strip_that_would_become_huge(tmp_path: Path) -> None:
    path = put(tmp_path, "a/1.png", Image.new("RGB", (60_000, 1), GREEN))
    with pytest.raises(DataError, match="60000 x 1 pixels become 7680000 x 128"):
        read(path, (128, 128))


def test_a_file_that_vanished(tmp_path: Path) -> None:
    path = put(tmp_path, f"{TENCH}/1.png")
    made = dataset(tmp_path)
    path.unlink()
    for act in (made.digest, lambda sample: made.read(sample, (8, 8))):
        with pytest.raises(DataError, match=r"1.png: cannot be read: No such file"):
            act(made.samples()[0])


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """Class numbers come from a file of timm's, not from timm; the plugins load nothing at all."""
    put(tmp_path, f"{TENCH}/1.png")
    program = f"""
import sys
from pathlib import Path
import harness_datasets, harness_digits, harness_models
heavy = {{"torch", "timm", "onnx", "onnxruntime", "onnx2torch", "sklearn", "numpy", "PIL"}}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
from harness_datasets.folder import FolderDataset
from harness.api import DatasetSpec
assert FolderDataset(DatasetSpec("mine", Path({str(tmp_path)!r}), {{}})).samples()[0].label == 0
assert not {{"torch", "timm", "torchvision"}} & sys.modules.keys()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
