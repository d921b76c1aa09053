"""Images of one's own in one line: every kind of file, in place of a suite's dataset."""

from __future__ import annotations

import base64
import json
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness_digits import data

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
COUNT = 30


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Some of the digits' test half, 8 bits deep, (n, 32, 32), with their labels."""
    images, labels = data.digits()
    rows = data.split("test")[:COUNT]
    return np.rint(images[rows, 0] * 255).astype(np.uint8), labels[rows]


def as_npz(folder: Path) -> str:
    images, labels = digits()
    np.savez(folder / "mine.npz", images=images, labels=labels, names=NAMES)
    return "npz:mine.npz"


def as_folder(folder: Path) -> str:
    images, labels = digits()
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / "mine" / f"{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{row}.png")
    return "folder:mine"


def as_mnist(folder: Path) -> str:
    images, labels = digits()
    raw = folder / "mine" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, values in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
        head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        (raw / f"t10k-{name}-ubyte").write_bytes(head + values.tobytes())
    return "torchvision:mine"


def as_parquet(folder: Path) -> str:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    images, labels = digits()
    files = []
    for image in images:
        Image.fromarray(image).save(file := io.BytesIO(), "PNG")
        files.append({"bytes": file.getvalue(), "path": None})
    pq.write_table(pa.table({"image": files, "label": labels}), folder / "mine.parquet")
    return "parquet:mine.parquet"


SUITE = """\
suites:
  tiny:
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 4
    accuracy_images: 20
    attacks: [{attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.3}, keep: true}]
    metrics: [accuracy]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    return "--registry", "tiny.yaml", "--suite", "tiny"


def rows(query: str) -> list[tuple]:
    with sqlite3.connect("harness.db") as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("made", [as_npz, as_folder, as_mnist, as_parquet])
def test_a_suite_runs_on_ones_own_images(harness, tmp_path, tiny, made) -> None:
    own = made(tmp_path)
    result = harness("run", *tiny, "--dataset", own)
    assert result.code == 0, result.err
    assert rows("SELECT DISTINCT dataset FROM samples") == [("mine",)]
    clean = rows("SELECT label, predicted FROM clean_predictions")
    assert len(clean) == 20
    assert sum(label == predicted for label, predicted in clean) >= 15, "the images are digits"
    shown = json.loads(harness("datasets", "show", own, "--format", "json").out)
    assert (shown["name"], shown["images"], shown["classes"]) == ("mine", COUNT, 10)
    assert shown["image_size"] == (None if made in (as_folder, as_parquet) else [32, 32])
    if made is as_npz:
        assert [each["name"] for each in shown["images_of_each_class"]] == NAMES
    for verb in ("plan", "doctor"):
        assert harness(verb, *tiny, "--dataset", own).code == 0


def test_an_entry_of_the_same_name_has_the_same_results(harness, tmp_path, tiny) -> None:
    own = as_npz(tmp_path)
    assert harness("run", *tiny, "--dataset", own).code == 0
    before = rows("SELECT key FROM cells ORDER BY key")
    (tmp_path / "mine.yaml").write_text(
        'datasets:\n  mine: {reader: npz, version: "1", root: mine.npz}\n'
    )
    entry = "--registry", "mine.yaml"
    again = harness("run", *tiny, *entry, "--dataset", "mine")
    assert "nothing to do" in again.err, again.err
    assert rows("SELECT key FROM cells ORDER BY key") == before
    assert harness("datasets", "show", *entry, "mine").code == 0, "entries of overlays are known"
    images, labels = digits()
    images[int(rows("SELECT image_id FROM samples")[0][0]), 0, 0] ^= 1
    np.savez(tmp_path / "mine.npz", images=images, labels=labels, names=NAMES)
    # A changed image alone is computed again: its clean prediction, and an attack for two goals.
    assert "3 images computed in" in harness("run", *tiny, "--dataset", own).err


def test_classes_have_their_names_everywhere(harness, tmp_path, tiny) -> None:
    own = as_npz(tmp_path)
    assert harness("run", *tiny, "--dataset", own).code == 0
    cell, image, label, predicted = rows(
        "SELECT cell_key, image_id, label, predicted FROM samples WHERE status = 'broken'"
    )[0]
    text = harness("show", cell[:12], image).out
    assert f"label_name      {NAMES[label]}".split() in [line.split() for line in text.splitlines()]
    found = json.loads(harness("show", cell[:12], image, "--format", "json").out)
    assert found["label_name"] == NAMES[label]
    assert found["predicted_name"] == NAMES[predicted]
    harness("export", "--what", "classes", "-o", "classes.csv")
    assert (tmp_path / "classes.csv").read_text().splitlines()[:3] == [
        "dataset,label,name", "mine,0,zero", "mine,1,one",
    ]  # fmt: skip
    assert harness("report", "--dataset", own, "-o", "page").code == 0
    page = (tmp_path / "page" / "index.html").read_text()
    assert f"class {label} ({NAMES[label]})" in page
    assert "no clean image" not in page
    assert base64.b64decode(page.partition("data:image/png;base64,")[2].partition('"')[0])
    checked = harness("verify", "--dataset", own, "--format", "json")
    assert checked.code == 0
    assert "skipped: norms" not in checked.err


@pytest.mark.parametrize(
    ("own", "code", "what"),
    [
        ("npy:mine.npz", 2, "unknown dataset reader 'npy'; did you mean 'npz'?"),
        ("npz:", 2, "no path is given; write npz:PATH"),
        ("npz:gone.npz", 3, "gone.npz: does not exist"),
        ("npz:mine.npz:splt=test", 2, "unknown option 'splt'"),
        ("npz:mine.npz:split=tset", 2, "options.split: is 'tset'"),
        ("npz:mine.npz:split=[", 2, "split: '[' is no value"),
        ("npz:mine.npz:split=test:split=val", 2, "split is given twice"),
        ("digit", 2, "unknown dataset 'digit'; did you mean 'digits'?"),
        ("npz:wrong.npz", 3, "row 7: label -5 is none of 0"),
    ],
)
def test_what_is_wrong_is_one_line(harness, tmp_path, tiny, own, code, what) -> None:
    as_npz(tmp_path)
    images, labels = digits()
    labels[7] = -5
    np.savez(tmp_path / "wrong.npz", images=images, labels=labels, names=NAMES)
    result = harness("run", *tiny, "--dataset", own)
    assert result.code == code, result.err
    assert what.split()[0] in result.err
    if code == 2:  # else in a table, whose cells are wrapped
        assert what in " ".join(result.err.split())
    assert "Traceback" not in result.err


def test_a_name_of_the_registry_is_not_taken(harness, tmp_path, tiny) -> None:
    as_npz(tmp_path)
    (tmp_path / "mine.npz").rename(tmp_path / "digits.npz")
    assert harness("run", *tiny, "--dataset", "npz:digits.npz").code == 0
    assert rows("SELECT DISTINCT dataset FROM samples") == [("digits-npz",)]


def test_the_library_takes_it_too(harness, tmp_path, tiny) -> None:
    import harness as library

    own = as_npz(tmp_path)
    found = library.run("tiny", registry=["tiny.yaml"], dataset=own, progress="plain")
    assert found.exit_code == 0
    assert rows("SELECT DISTINCT dataset FROM samples") == [("mine",)]


def test_leaderboards_are_those_of_the_latest_runs_dataset(harness, tmp_path, tiny) -> None:
    assert harness("run", *tiny).code == 0
    before = json.loads(harness("leaderboard", "--suite", "tiny", "--format", "json").out)
    assert harness("run", *tiny, "--dataset", as_npz(tmp_path)).code == 0
    board = json.loads(harness("leaderboard", "--suite", "tiny", "--format", "json").out)
    assert board["dataset"] == "mine", board
    assert harness("run", *tiny).code == 0
    after = json.loads(harness("leaderboard", "--suite", "tiny", "--format", "json").out)
    assert after["rows"] == before["rows"]
