"""ImageNet's validation images in every layout, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
from PIL import Image

from harness.api import ConfigError, DataError, DatasetSpec, MissingError
from harness_datasets import lists
from harness_datasets.imagenet import ImagenetDataset
from harness_datasets.tree import class_numbers

WNIDS = list(class_numbers())
LABELS = {7: 0, 293: 999, 29510: 138, 50000: 1}
"""0-based class by number, of four images."""


def dataset(root: Path, **options: object) -> ImagenetDataset:
    return ImagenetDataset(DatasetSpec("imagenet", root, options))


def stem(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


def jpeg(number: int, mode: str = "RGB") -> bytes:
    """A small image of the number's own."""
    pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG")
    return file.getvalue()


def class_folders(root: Path) -> None:
    for number, label in LABELS.items():
        (root / WNIDS[label]).mkdir()
        (root / WNIDS[label] / f"{stem(number)}.JPEG").write_bytes(jpeg(number))


def loose(root: Path) -> None:
    for number in LABELS:
        (root / f"{stem(number)}.JPEG").write_bytes(jpeg(number))


def flat(root: Path) -> None:
    loose(root)
    devkit(root)


def caffe(root: Path) -> None:
    loose(root)
    lines = [f"{stem(number)}.JPEG {label}\n" for number, label in LABELS.items()]
    (root / "val.txt").write_text("".join(lines))


def survey(root: Path) -> None:
    for number, label in LABELS.items():
        (root / f"{label + 1}.{number:08d}.jpg").write_bytes(jpeg(number))


def parquet(root: Path) -> None:
    images = [
        {"bytes": jpeg(number), "path": f"{stem(number)}_{WNIDS[label]}.JPEG"}
        for number, label in LABELS.items()
    ]
    for shard in (0, 1):
        part = slice(shard, None, 2)
        put_parquet(root, shard, images[part], list(LABELS.values())[part])


def put_parquet(root: Path, shard: int, images: list[Any], labels: list[Any]) -> Path:
    path = root / f"validation-{shard:05d}-of-00002.parquet"
    table = pyarrow.table({"image": images, "label": pyarrow.array(labels, pyarrow.int64())})
    pyarrow.parquet.write_table(table, path, row_group_size=1)
    return path


def webdataset(root: Path) -> None:
    numbers = list(LABELS)
    for shard in (0, 1):
        put_tar(root, shard, {
            file: content
            for number in numbers[shard::2]
            for file, content in (
                (f"{stem(number)}.cls", str(LABELS[number]).encode()),
                (f"{stem(number)}.jpg", jpeg(number)),
                (f"{stem(number)}.json", b"{}"),
            )
        })  # fmt: skip


def put_tar(root: Path, shard: int, files: Mapping[str, bytes]) -> Path:
    path = root / f"imagenet1k-validation-{shard:02d}.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "folders": class_folders,
    "flat": flat,
    "flat, Caffe": caffe,
    "survey": survey,
    "parquet": parquet,
    "webdataset": webdataset,
}


def devkit(folder: Path, *, lines: int = 50_000) -> Path:
    """Ground truth in an order of its own: ILSVRC id i is the wnid (7 * i) mod 1000."""
    ids = np.arange(1, 1001)
    synsets = np.zeros(1002, [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    for row, number in enumerate(np.random.default_rng(0).permutation(ids)):
        synsets[row] = (float(number), WNIDS[7 * number % 1000], 0.0)
    for row in (1000, 1001):  # inner nodes of the hierarchy
        synsets[row] = (float(row + 1), f"n0000{row}", 9.0)
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets[:, None]})
    id_of = {WNIDS[7 * number % 1000]: number for number in ids}
    truth = [id_of[WNIDS[LABELS.get(number, 5)]] for number in range(1, lines + 1)]
    path = folder / "ILSVRC2012_validation_ground_truth.txt"
    path.write_text("".join(f"{number}\n" for number in truth))
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_images_in_every_layout(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path)
    for options in ({}, {"layout": layout.split(",")[0]}):
        made = dataset(tmp_path, **options)
        assert made.classes == 1000
        assert {sample.id: sample.label for sample in made.samples()} == {
            stem(number): label for number, label in LABELS.items()
        }
        assert [sample.id for sample in made.samples()] == sorted(map(stem, LABELS))
        for sample in made.samples():
            content = jpeg(int(sample.id[-8:]))
            assert made.digest(sample) == hashlib.sha256(content).hexdigest()
            with Image.open(io.BytesIO(content)) as image:
                resized = image.resize((40, 32), Image.Resampling.LANCZOS)
                expected = np.asarray(resized.crop((4, 0, 36, 32)), np.float32) / np.float32(255)
            assert np.array_equal(made.read(sample, (32, 32)), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("place", ["beside", "devkit", "devkit beside", "option"])
def test_where_the_ground_truth_may_lie(tmp_path: Path, place: str) -> None:
    root = tmp_path / "val"
    folders = {
        "beside": tmp_path,
        "devkit": root / "ILSVRC2012_devkit_t12" / "data",
        "devkit beside": tmp_path / "ILSVRC2012_devkit_t12" / "data",
        "option": tmp_path / "else" / "where",
    }
    root.mkdir()
    loose(root)
    folders[place].mkdir(parents=True, exist_ok=True)
    path = devkit(folders[place])
    options = {"ground_truth": f"../else/where/{path.name}"} if place == "option" else {}
    found = {sample.id: sample.label for sample in dataset(root, **options).samples()}
    assert found == {stem(number): label for number, label in LABELS.items()}


def test_a_flat_folder_without_labels(tmp_path: Path) -> None:
    loose(tmp_path)
    with pytest.raises(MissingError, match=r"no labels: neither val.txt nor .*ground_truth: PATH"):
        dataset(tmp_path)
    with pytest.raises(MissingError, match=r"options.ground_truth: .*/nowhere.txt is not a file"):
        dataset(tmp_path, ground_truth="nowhere.txt")
    with pytest.raises(ConfigError, match=r"options.ground_truth: is 3"):
        dataset(tmp_path, ground_truth=3)


@pytest.mark.parametrize("lines", [0, 1, 49_999, 50_001])
def test_a_ground_truth_of_the_wrong_length(tmp_path: Path, lines: int) -> None:
    loose(tmp_path)
    devkit(tmp_path, lines=lines)
    with pytest.raises(
        MissingError, match=rf"ground_truth.txt:{lines}: has {lines:,} lines, not 50,000"
    ):
        dataset(tmp_path)


@pytest.mark.parametrize("text", ["0", "1001", "-3", "n01440764", "", "3.5"])
def test_a_devkit_label_out_of_range(tmp_path: Path, text: str) -> None:
    loose(tmp_path)
    path = devkit(tmp_path)
    lines = path.read_text().splitlines()
    lines[41] = text
    path.write_text("\n".join(lines))
    with pytest.raises(MissingError, match=rf"truth.txt:42: label '{text}' is none of 1 to 1000"):
        dataset(tmp_path)


@pytest.mark.parametrize("text", ["1000", "-1", "", "x"])
def test_a_caffe_label_out_of_range(tmp_path: Path, text: str) -> None:
    caffe(tmp_path)
    with (tmp_path / "val.txt").open("a") as file:
        file.write(f"{stem(9)}.JPEG {text}\n")
    with pytest.raises(MissingError, match=r"val.txt:5: label '.*' is none of 0 to 999"):
        dataset(tmp_path)


def test_a_val_txt_that_ends_too_early(tmp_path: Path) -> None:
    caffe(tmp_path)
    lines = (tmp_path / "val.txt").read_text().splitlines()
    (tmp_path / "val.txt").write_text("\n".join(lines[:3]))
    with pytest.raises(
        MissingError, match=rf"val.txt:3: 1 of 4 images have no label, the first {stem(50000)}"
    ):
        dataset(tmp_path)


def test_a_val_txt_for_pictures_of_other_names(tmp_path: Path) -> None:
    (tmp_path / "a cat.png").write_bytes(jpeg(1))
    (tmp_path / "val.txt").write_text("val/a cat.png\t281\n")
    with pytest.raises(MissingError, match=r"no layout that the reader knows; .*layout: flat"):
        dataset(tmp_path)
    (sample,) = dataset(tmp_path, layout="flat").samples()
    assert (sample.id, sample.label) == ("a cat.png", 281)


def labels_of(root: Path, name: str, text: str | bytes) -> dict[str, int]:
    """The labels of four loose images by a file of labels."""
    loose(root)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return {sample.id: sample.label for sample in dataset(root, ground_truth=name).samples()}


def kaggle(rows: Mapping[int, str]) -> str:
    lines = [f"{stem(number)},{boxes}\n" for number, boxes in rows.items()]
    return "ImageId,PredictionString\n" + "".join(lines)


def test_kaggles_labels(tmp_path: Path) -> None:
    boxes = {number: f"{WNIDS[label]} 85 1 499 272 " for number, label in LABELS.items()}
    boxes[7] = boxes[7] + boxes[7]
    found = labels_of(tmp_path, "LOC_val_solution.csv", kaggle(boxes))
    assert found == {stem(number): label for number, label in LABELS.items()}
    (tmp_path / "val.txt").unlink(missing_ok=True)
    assert len(dataset(tmp_path).samples()) == 4  # found by its name


def test_tensorflows_labels(tmp_path: Path) -> None:
    wnids = [WNIDS[LABELS.get(number, 5)] for number in range(1, 50_001)]
    found = labels_of(tmp_path, "imagenet_2012_validation_synset_labels.txt", "\n".join(wnids))
    assert found == {stem(number): label for number, label in LABELS.items()}
    with pytest.raises(MissingError, match=r"labels.txt:49999: has 49,999 lines, not 50,000"):
        labels_of(tmp_path, "labels.txt", "\n".join(wnids[:-1]))
    wnids[41] = "n00000001"
    with pytest.raises(MissingError, match=r"labels.txt:42: 'n00000001' is not one of ImageNet"):
        labels_of(tmp_path, "labels.txt", "\n".join(wnids))


LINE = f"{stem(7)}.JPEG 0\n"
HALF_UNDERSTOOD = {
    "two labels": (LINE + f"{stem(9)}.JPEG 5 7\n", r":2: '.*JPEG 5' is not the name of an image"),
    "twice": (LINE * 2, rf":2: {stem(7)} is listed twice; remove it"),
    "a comma": (LINE + f"{stem(9)}.JPEG,5\n", r":2: label '.*,5' is none of 0 to 999"),
    "an empty line": (f"{LINE}\n{LINE}", r":2: label '' is none of 0 to 999"),
    "a comment": (LINE + "# 3 of them\n", r":2: label 'them' is none of 0 to 999"),
    "an underscore": (LINE + f"{stem(9)}.JPEG 1_0\n", r":2: label '1_0' is none of"),
    "other digits": (LINE + f"{stem(9)}.JPEG ١\n", r":2: label '١' is none of 0 to 999"),
    "a sign": (LINE + f"{stem(9)}.JPEG +5\n", r":2: label '\+5' is none of 0 to 999"),
    "numbered": (f"{stem(1)} 1\n", r"is a list of numbered images \(ImageSets/CLS-LOC/val.txt\)"),
    "words": ("n01440764 tench, Tinca tinca\n", r"is a list of the classes' names \(synset_words"),
    "JSON": ('{"0": ["n01440764", "tench"]}', r"is JSON, which names no image's class"),
    "XML": ("<annotation>\n", r"is XML, which names no"),
    "a table": (f"filename,label\n{stem(7)}.JPEG,0\n", r"is a table with other columns than Imag"),
    "binary": (b"MATLAB 5.0\0\0", r":1: is no text file; give ILSVRC2012_validation_ground_truth"),
    "another class": (kaggle({7: "n01440764 1 2 3 4 n01443537 1 2 3 4"}), r":2: .* is not <image>"),
    "no box": (kaggle({7: "n01440764"}), r":2: .* is not <image>,<wnid> <4 numbers>"),
    "unknown class": (kaggle({7: "n00000001 1 2 3 4"}), r":2: 'n00000001' is not one of"),
    "twice, Kaggle": (kaggle({7: "n01440764 1 2 3 4"}) + kaggle({7: "n01440764 1 2 3 4"})[25:],
                      r":3: .* is listed twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", HALF_UNDERSTOOD)
def test_labels_are_never_half_understood(tmp_path: Path, case: str) -> None:
    text, expected = HALF_UNDERSTOOD[case]
    with pytest.raises(MissingError, match=rf"labels.txt(: |){expected}"):
        labels_of(tmp_path, "labels.txt", text)


def test_line_ends_and_marks_of_other_systems(tmp_path: Path) -> None:
    lines = [f"{stem(number)}.JPEG {label}" for number, label in LABELS.items()]
    text = b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n"
    found = labels_of(tmp_path, "labels.txt", text)
    assert found == {stem(number): label for number, label in LABELS.items()}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_bytes(b"caf\xe9.png 281\n")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(jpeg(1))
    (sample,) = dataset(tmp_path, layout="flat").samples()
    assert (sample.id, sample.label) == ("caf\\xe9.png", 281)


@pytest.mark.parametrize("suffix", ["tar", "parquet"])
def test_a_shard_that_is_a_pipe(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"val-0.{suffix}")
    with pytest.raises(MissingError, match=rf"val-0.{suffix}: is no file; 0 images of it"):
        dataset(tmp_path)


def test_labels_without_a_picture_that_is_read_are_told(tmp_path: Path) -> None:
    files = {"a.cls": b"3", "a.heic": b"", "b.cls": b"4", "b.jpg": jpeg(1), "c.cls": b"5"}
    put_tar(tmp_path, 0, files)
    with pytest.warns(UserWarning, match=r"00.tar: 2 labels \(<key>.cls\) have no image"):
        (sample,) = dataset(tmp_path).samples()
    assert sample.label == 4
    put_tar(tmp_path, 0, {"b.cls": b"4" + b" " * 20 + b"7", "b.jpg": jpeg(1)})
    with pytest.raises(MissingError, match=r"b.cls: label .* is none of 0 to 999"):
        dataset(tmp_path)


def test_a_devkit_without_its_meta_mat(tmp_path: Path) -> None:
    flat(tmp_path)
    (tmp_path / "meta.mat").unlink()
    with pytest.raises(MissingError, match=r"meta.mat: is missing: it defines the devkit's order"):
        dataset(tmp_path)


@pytest.mark.parametrize("kind", ["garbage", "empty", "other variables", "999 classes"])
def test_a_meta_mat_that_is_none(tmp_path: Path, kind: str) -> None:
    flat(tmp_path)
    path = tmp_path / "meta.mat"
    if kind == "garbage":
        path.write_bytes(bytes(range(256)) * 9)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "other variables":
        scipy.io.savemat(path, {"classes": np.arange(3)})
    else:
        synsets = scipy.io.loadmat(path)["synsets"]
        scipy.io.savemat(path, {"synsets": synsets[synsets["WNID"] != WNIDS[3]][:, None]})
    with pytest.raises(MissingError, match=r"meta.mat: is not the devkit's: .*, or use a val.txt"):
        dataset(tmp_path)


def test_unknown_wnid_folders(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "n00000001").mkdir()
    (tmp_path / "thumbnails").mkdir()
    with pytest.raises(
        MissingError, match=r"2 of 6 folders are not ImageNet classes: n00000001, thumbnails; "
    ):
        dataset(tmp_path)


def test_photographs_of_other_names_keep_their_paths(tmp_path: Path) -> None:
    (tmp_path / WNIDS[3]).mkdir()
    (tmp_path / WNIDS[3] / "shark.jpg").write_bytes(jpeg(1))
    (sample,) = dataset(tmp_path).samples()
    assert (sample.id, sample.label) == (f"{WNIDS[3]}/shark.jpg", 3)


@pytest.mark.parametrize("name", ["0.00000001.jpg", "1001.00000001.jpg", "1.00050001.jpg", "a.jpg"])
def test_a_name_that_is_not_the_surveys(tmp_path: Path, name: str) -> None:
    survey(tmp_path)
    (tmp_path / name).write_bytes(jpeg(1))
    with pytest.raises(MissingError, match=rf"{name} is not called <label 1 to 1000>\.<number"):
        dataset(tmp_path)


def test_an_image_that_is_there_twice(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / WNIDS[0] / f"{stem(293)}.JPEG").write_bytes(jpeg(293))
    with pytest.raises(MissingError, match=rf"image {stem(293)} is there twice: .*{WNIDS[0]}"):
        dataset(tmp_path)


def test_several_layouts(tmp_path: Path) -> None:
    class_folders(tmp_path)
    survey(tmp_path)
    (tmp_path / "ILSVRC2012_img_val.tar").touch()  # the official archive is no shard
    with pytest.raises(ConfigError, match=r"in several layouts: folders, survey; .*option layout"):
        dataset(tmp_path)
    assert len(dataset(tmp_path, layout="survey").samples()) == 4


@pytest.mark.parametrize("layout", ["folders", "survey", "parquet", "webdataset", None])
def test_an_empty_folder(tmp_path: Path, layout: str | None) -> None:
    options = {"layout": layout} if layout else {}
    with pytest.raises(MissingError, match=r"holds (no images|no shards|ImageNet's .* no layout)"):
        dataset(tmp_path, **options)


def test_wrong_options(tmp_path: Path) -> None:
    class_folders(tmp_path)
    with pytest.raises(ConfigError, match=r"options.layout: is 'zip'; choose from folders, flat"):
        dataset(tmp_path, layout="zip")
    with pytest.raises(ConfigError, match=r"options.list: is 'x'; choose from survey-1000, clever"):
        dataset(tmp_path, list="x")
    with pytest.raises(ConfigError, match=r"options.resize: is 'x'; choose from paper, slim, timm"):
        dataset(tmp_path, resize="x")
    with pytest.raises(ConfigError, match=r"unknown option 'classes'"):
        dataset(tmp_path, classes="sorted")
    with pytest.raises(ConfigError, match=r"ground_truth: means nothing to layout folders"):
        dataset(tmp_path, ground_truth="val.txt")


@pytest.mark.parametrize("layout", ["parquet", "webdataset"])
def test_shards_of_other_splits_are_left_alone(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path)
    first = next(tmp_path.iterdir())
    shutil.copy(first, tmp_path / f"train-00000{first.suffix}")
    assert len(dataset(tmp_path).samples()) == 4


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("layout", ["parquet", "webdataset"])
def test_other_modes_inside_a_shard(tmp_path: Path, layout: str, mode: str) -> None:
    content = jpeg(1, mode)
    if layout == "parquet":
        put_parquet(tmp_path, 0, [{"bytes": content, "path": None}], [3])
    else:
        put_tar(tmp_path, 0, {"a/0.x.jpeg": b"no", "a/0.jpeg": content, "a/0.cls": b"3\n"})
    made = dataset(tmp_path)
    (sample,) = made.samples()
    assert sample.id.endswith((".parquet/0", ".tar/a/0"))
    image = made.read(sample, (40, 50))
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.mode == mode
        expected = np.asarray(opened.convert("RGB"), np.float32).transpose(2, 0, 1) / 255
    assert np.array_equal(image, expected)


@pytest.mark.parametrize("layout", ["parquet", "webdataset"])
@pytest.mark.parametrize("damage", ["garbage", "empty", "short"])
def test_an_unreadable_shard_is_named_and_the_others_go_on(
    tmp_path: Path, layout: str, damage: str
) -> None:
    LAYOUTS[layout](tmp_path)
    good, bad = sorted(tmp_path.iterdir())
    content = bad.read_bytes()
    bad.write_bytes({"garbage": b"\x93" * 4000, "empty": b"", "short": content[:1800]}[damage])
    with pytest.warns(UserWarning, match=rf"{bad.name}: .*continuing without the rest") as caught:
        made = dataset(tmp_path)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert [sample.id for sample in made.samples()] == [stem(7), stem(29510)]
    for sample in made.samples():
        assert len(made.digest(sample)) == 64
        assert made.read(sample, (8, 8)).shape == (3, 8, 8)
    good.unlink()
    with pytest.raises(MissingError, match=rf"{bad.name}: .*; get the shard again"):
        dataset(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "garbage in between", "no end"])
def test_what_lies_before_the_damage_in_a_tar_is_read(tmp_path: Path, damage: str) -> None:
    webdataset(tmp_path)
    bad = sorted(tmp_path.iterdir())[1]
    with tarfile.open(bad) as tar:
        last, end = tar.getmember(f"{stem(50000)}.cls"), tar.offset
    content = bytearray(bad.read_bytes())
    if damage == "garbage in between":
        content[last.offset : last.offset + 512] = b"\x93" * 512
    bad.write_bytes(content[: {"cut": last.offset + 1024 + 700, "no end": end}.get(damage)])
    with pytest.warns(UserWarning, match=r"validation-01.tar: .*; (1|2) images of it"):
        made = dataset(tmp_path)
    expected = [7, 293, 29510] + ([50000] if damage == "no end" else [])
    assert [sample.id for sample in made.samples()] == [stem(number) for number in expected]


def test_a_damaged_row_group_costs_its_own_images_only(tmp_path: Path) -> None:
    images = [{"bytes": jpeg(n), "path": f"{stem(n)}_x.JPEG"} for n in (1, 2)]
    path = put_parquet(tmp_path, 0, images, [0, 1])
    metadata = pyarrow.parquet.read_metadata(path)
    place = metadata.row_group(0).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 60] = b"\xff" * 60
    path.write_bytes(content)
    made = dataset(tmp_path)
    broken, sound = made.samples()
    for act in (made.digest, lambda sample: made.read(sample, (8, 8))):
        with pytest.raises(DataError, match=r"validation-00000.*row group 0 cannot be read: "):
            act(broken)
        act(sound)


def test_a_row_without_bytes(tmp_path: Path) -> None:
    images = [{"bytes": None, "path": "a"}, {"bytes": jpeg(1), "path": None}, None]
    put_parquet(tmp_path, 0, images, [0, 1, 2])
    made = dataset(tmp_path)
    for sample, works in zip(made.samples(), (False, True, False), strict=True):
        for act in (made.digest, lambda sample: made.read(sample, (8, 8))):
            if works:
                act(sample)
            else:
                with pytest.raises(DataError, match=r"row [02]: holds no bytes"):
                    act(sample)


@pytest.mark.parametrize("label", [-1, 1000, None])
def test_labels_of_shards_that_are_none(tmp_path: Path, label: int | None) -> None:
    put_parquet(tmp_path, 0, [{"bytes": b"", "path": "a"}] * 2, [3, label])
    with pytest.raises(MissingError, match=rf"row 1: label {label} is none of 0 to 999"):
        dataset(tmp_path)


@pytest.mark.parametrize("label", [b"-1", b"1000", b"", b"cat", b"\xff", b"9" * 99])
def test_labels_of_tars_that_are_none(tmp_path: Path, label: bytes) -> None:
    put_tar(tmp_path, 0, {"0.jpg": b"", "0.cls": label})
    with pytest.raises(MissingError, match=r"00.tar: 0.cls: label .* is none of 0 to 999"):
        dataset(tmp_path)


def test_a_picture_without_a_label_in_a_tar(tmp_path: Path) -> None:
    put_tar(tmp_path, 0, {"0.jpg": b"", "0.cls": b"1", "1.jpg": b"", "1.txt": b"2"})
    with pytest.raises(MissingError, match=r"1 images have no label \(<key>.cls\), .* 1.jpg"):
        dataset(tmp_path)


def test_other_things_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "val.tar"
    with tarfile.open(path, "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo(f"{kind.decode()}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        for name, content in (("../../x.jpg", jpeg(1)), ("../../x.cls", b"3")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    made = dataset(tmp_path)
    (sample,) = made.samples()
    assert sample.label == 3
    assert made.digest(sample) == hashlib.sha256(jpeg(1)).hexdigest()


def test_a_tar_that_claims_forty_gigabytes(tmp_path: Path) -> None:
    member = tarfile.TarInfo("0.jpg")
    member.size = 40 * 10**9
    header = member.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "val.tar").write_bytes(header + bytes(4096))
    with pytest.raises(MissingError, match=r"val.tar: is cut short in 0.jpg; 0 images"):
        dataset(tmp_path)


def test_columns_of_other_names(tmp_path: Path) -> None:
    table = pyarrow.table({"image": [b"x"], "label": [1]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(MissingError, match=r"a.parquet: has no columns image {bytes, path} and"):
        dataset(tmp_path)


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        MissingError, match=r"need pyarrow.*pip install 'frontier-harness\[datasets"
    ):
        dataset(tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_vanished(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path)
    made = dataset(tmp_path)
    shutil.rmtree(tmp_path)
    for act in (made.digest, lambda sample: made.read(sample, (8, 8))):
        with pytest.raises(DataError, match="cannot be read: "):
            act(made.samples()[0])


def put_list(root: Path, name: str) -> list[lists.Listed]:
    listed = list(lists.load(name))
    for row in listed:
        (root / WNIDS[row.label]).mkdir(exist_ok=True)
        (root / WNIDS[row.label] / f"{row.id}.JPEG").touch()
    return listed


@pytest.mark.parametrize(("name", "length"), [("survey-1000", 1000), ("clever-100", 100)])
def test_a_list_chooses_its_images(tmp_path: Path, name: str, length: int) -> None:
    listed = put_list(tmp_path, name)
    (tmp_path / WNIDS[0]).mkdir(exist_ok=True)
    (tmp_path / WNIDS[0] / f"{stem(2)}.JPEG").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = dataset(tmp_path, list=name)
    assert len(made.samples()) == length
    assert [(sample.id, sample.label) for sample in made.samples()] == [
        (row.id, row.label) for row in listed
    ]
    for row in listed[4:6]:
        (tmp_path / WNIDS[row.label] / f"{row.id}.JPEG").unlink()
    with pytest.raises(
        MissingError,
        match=rf"2 of the {length:,} images of list {name} are missing, the first {listed[4].id};",
    ):
        dataset(tmp_path, list=name)


def test_labels_that_are_not_the_lists(tmp_path: Path) -> None:
    first = put_list(tmp_path, "survey-1000")[0]
    (tmp_path / WNIDS[first.label] / f"{first.id}.JPEG").unlink()
    (tmp_path / WNIDS[9]).mkdir(exist_ok=True)
    (tmp_path / WNIDS[9] / f"{first.id}.JPEG").touch()
    with pytest.raises(MissingError, match=rf"image {first.id} has label 9 here and 138 in list"):
        dataset(tmp_path, list="survey-1000")


def test_a_bird_among_the_machines_keeps_its_label(tmp_path: Path) -> None:
    put_list(tmp_path, "survey-1000")
    (tmp_path / WNIDS[134]).mkdir(exist_ok=True)
    for name in (f"{stem(33893)}.JPEG", f"{stem(34198)}.JPEG"):
        (tmp_path / WNIDS[517] / name).rename(tmp_path / WNIDS[134] / name)
    labels = {s.id: s.label for s in dataset(tmp_path, list="survey-1000").samples()}
    assert (labels[stem(33893)], labels[stem(34198)]) == (134, 134)


def test_a_drawing_that_differs_is_told(tmp_path: Path) -> None:
    """All 50,000 are there, and the labels of those outside the list are wrong."""
    labels = {int(row.id[-8:]): row.label for row in lists.load("survey-1000")}
    numbers = range(1, 50_001)
    table = pyarrow.table({
        "image": [{"bytes": None, "path": f"{stem(number)}.JPEG"} for number in numbers],
        "label": [labels.get(number, 3) for number in numbers],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "validation.parquet")
    with pytest.warns(UserWarning, match="list survey-1000 drawn from these labels is another"):
        made = dataset(tmp_path, list="survey-1000")
    assert len(made.samples()) == 1000


def test_listing_loads_nothing_heavy(tmp_path: Path) -> None:
    for layout in ("folders", "webdataset", "survey"):
        (tmp_path / layout).mkdir()
        LAYOUTS[layout](tmp_path / layout)
    program = f"""
import sys
from pathlib import Path
from harness_datasets.imagenet import ImagenetDataset
from harness.api import DatasetSpec
for layout in ("folders", "webdataset", "survey"):
    ImagenetDataset(DatasetSpec("mine", Path({str(tmp_path)!r}) / layout, {{}}))
assert not {{"torch", "timm", "torchvision", "scipy", "pyarrow"}} & sys.modules.keys()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
