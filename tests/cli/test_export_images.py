"""``harness export --images``: what was judged comes back, bit by bit, or by 8 bits."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness.store.artifacts import load
from harness.store.database import reading


@pytest.fixture
def stored(kept_run):
    """By cell key the rows of the database, with their pixels."""
    with closing(sqlite3.connect(kept_run)) as db:
        rows = db.execute(
            "SELECT cells.key, images.name, digest, images.label, target, predicted, status,"
            " rounded_status, artifact_id, artifact_row FROM outcomes JOIN cells ON cells.id ="
            " cell_id JOIN images ON images.id = image_id WHERE artifact_id IS NOT NULL"
            " ORDER BY artifact_id, artifact_row"
        ).fetchall()
    found = {}
    with reading(kept_run) as opened:
        for key, *row, artifact, place in rows:
            found.setdefault(key, []).append((*row, load(opened, artifact, place)))
    assert len(found) == 4
    return found


def index(folder):
    with (folder / "index.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("format", ["npz", "safetensors"])
def test_every_bit_comes_back(harness, stored, tmp_path, format):
    done = harness("export", "--images", "--format", format, "-o", "out")
    assert (done.code, done.out) == (0, ""), done.err
    assert f"{sum(map(len, stored.values()))} images of 4 attack cells" in done.err
    table = index(tmp_path / "out")
    assert {row["cell_key"] for row in table} == stored.keys()
    for row in table:
        wanted = stored[row["cell_key"]]
        ids, digests, labels, targets, predictions, statuses, _, pixels = zip(*wanted, strict=True)
        path = tmp_path / "out" / row["file"]
        if format == "npz":
            with np.load(path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
            texts = {name: found[name].tolist() for name in ("ids", "digests", "statuses")}
            about = {name: str(found[name]) for name in ("model", "attack", "goal", "cell_key")}
        else:
            from safetensors import safe_open

            found = load_file(path)
            with safe_open(path, framework="numpy") as file:
                about = file.metadata()
            texts = {name: json.loads(about[name]) for name in ("ids", "digests", "statuses")}
        assert found["images"].dtype == np.float32
        assert np.array_equal(found["images"], np.stack(pixels))
        assert found["labels"].tolist() == list(labels)
        assert found["targets"].tolist() == [-1 if each is None else each for each in targets]
        assert found["predictions"].tolist() == list(predictions)
        assert {found[name].dtype.name for name in ("labels", "targets", "predictions")} == {
            "int64"
        }
        wanted_texts = {"ids": ids, "digests": digests, "statuses": statuses}
        assert texts == {name: list(each) for name, each in wanted_texts.items()}
        for name in ("model", "attack", "goal", "cell_key"):
            assert about[name] == row[name]
        assert int(row["images"]) == len(wanted)


def test_png_holds_the_eight_bits_that_were_judged(harness, stored, tmp_path):
    from PIL import Image

    from harness.engine.judge import to_8_bits

    torch = pytest.importorskip("torch")
    assert harness("export", "--images", "--format", "png", "-o", "out").code == 0
    for row in index(tmp_path / "out"):
        folder = tmp_path / "out" / row["file"]
        with (folder / "labels.csv").open() as file:
            labels = list(csv.DictReader(file))
        assert len(labels) == len(list(folder.glob("*.png"))) == len(stored[row["cell_key"]])
        for line, wanted in zip(labels, stored[row["cell_key"]], strict=True):
            *facts, pixels = wanted
            names = ("id", "digest", "label", "target", "prediction", "status", "rounded_status")
            assert [line[name] for name in names] == [
                "" if fact is None else str(fact) for fact in facts
            ]
            assert line["rounded_status"]  # the suite judged them rounded, too
            with Image.open(folder / line["file"]) as image:
                read = np.asarray(image, np.uint8).transpose(2, 0, 1)
            judged = to_8_bits(torch.from_numpy(pixels[None]))[0].numpy()
            assert np.array_equal((read / 255).astype(np.float32), judged)


def test_some_of_them(harness, stored, tmp_path):
    chosen = ("--models", "*alexnet", "--goals", "random", "--attacks", "ifgsm")
    assert harness("export", "--images", "-o", "out", *chosen).code == 0
    (row,) = index(tmp_path / "out")
    assert (row["model"], row["goal"]) == ("digits-alexnet", "random")
    assert harness("export", "--images", "-o", "out", "--suite", "kept").code == 0
    for wrong in (
        ("--models", "vgg"), ("--suite", "other"), ("--goals", "least-likely"), ("--what", "clean"),
        ("--format", "csv"), ("-o", "-"),
    ):  # fmt: skip
        done = harness("export", "--images", "-o", "x", *wrong)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert not (tmp_path / "x").exists()
    assert harness("export", "-o", "x.csv", "--models", "*").code == 2
    assert harness("export", "-o", "x.csv", "--format", "png").code == 2


def test_a_damaged_file_is_named(harness, stored, kept_run):
    file = next(kept_run.with_name("harness.db.artifacts").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-4] + b"oops")
    done = harness("export", "--images", "-o", "out")
    assert (done.code, done.err.count("\n")) == (5, 1)
    assert file.name in done.err


def test_grey_images_are_grey_pngs(tmp_path):
    from PIL import Image

    from harness.store.artifacts import KeptRow
    from harness.store.images import FORMATS
    from harness.store.read.kept import KeptImage, KeptSet

    image = KeptImage(KeptRow(1, 0), "../a/b é.png", "0", 3, None, 4, "broken", None)
    grey = KeptSet("k" * 64, "m", "a", "untargeted", "d", (1, 2, 2), (image,))
    pixels = np.array([[[0, 1], [0.5, 0.25]]], np.float32)
    folder = FORMATS["png"](grey, iter([pixels]), tmp_path / "set")
    (file,) = folder.glob("*.png")
    assert file.name == "00000_.._a_b_.png.png"
    with Image.open(file) as read:
        assert (read.mode, np.asarray(read).tolist()) == ("L", [[0, 255], [128, 64]])
