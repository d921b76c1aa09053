"""Labels that were mended: what they decide is computed anew, and boards show the new ones."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.api import DatasetSpec
from harness_digits.dataset import DigitsDataset

SUITE = """\
datasets:
  mine:
    reader: folder
    version: "1"
    classes: 10
    summary: digits as pictures
    options: {classes: sorted}
suites:
  mine:
    dataset: mine
    models: [digits-mobilenet_v1_025]
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}
    metrics: [accuracy, success]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of each digit but 9, in the class folders b to j; k is that of 9."""
    digits = DigitsDataset(DatasetSpec("digits", None, {}))
    samples = digits.samples()
    for label, name in enumerate("bcdefghijk"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for sample in [sample for sample in samples if sample.label == label < 9][:2]:
            pixels = (digits.read(sample, (32, 32)).transpose(1, 2, 0) * 255).round()
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(tmp_path / "pictures" / name / f"{sample.id}.png")
    (tmp_path / "mine.yaml").write_text(SUITE)
    return tmp_path / "pictures"


def boards(harness, db: str) -> list[object]:
    """Both goals' boards; without what only says when and by whom they were made."""
    found = []
    for goal in ("untargeted", "random"):
        shown = harness("leaderboard", "--goal", goal, "--db", db, "--format", "json")
        assert shown.code == 0, shown.err
        found.append(json.loads(shown.out)["rows"])
    return found


def in_sql(db: str, view: str = "leaderboard_rows") -> list[tuple[object, ...]]:
    columns = "goal, top1, success, distortion_mean, images" if view != "samples" else "image_id"
    with closing(sqlite3.connect(db)) as connection:
        return sorted(connection.execute(f"SELECT {columns} FROM {view}"))


def test_a_class_folder_that_sorts_first_renumbers_all(harness, folder):
    run = ["run", "--registry", "mine.yaml", "--suite", "mine", "--data", f"mine={folder}"]
    first = harness(*run, "--db", "h.db")
    assert first.code == 0, first.err
    right = boards(harness, "h.db")
    (folder / "k").rename(folder / "a")  # that is class 0 now, and b to j are 1 to 9
    shutil.copyfile("h.db", "other.db")
    again = harness(*run, "--db", "h.db")
    assert again.code == 0, again.err
    assert "54 images computed in 3 cells, 0 found" in again.err
    assert harness(*run, "--db", "fresh.db").code == 0
    assert boards(harness, "h.db") == boards(harness, "fresh.db") != right
    assert in_sql("h.db") == in_sql("fresh.db")
    assert len(in_sql("h.db", "samples")) == len(in_sql("fresh.db", "samples")) == 36
    assert "nothing to do" in harness(*run, "--db", "h.db").err
    merged = harness("merge", "other.db", "--db", "fresh.db")
    assert (merged.code, merged.err) == (0, "")
    assert boards(harness, "fresh.db") == right  # the runs of other.db came last
    assert in_sql("fresh.db") == in_sql("other.db") != in_sql("h.db")


def test_a_label_that_is_mended_back_finds_what_was_stored(harness, folder):
    run = ["run", "--registry", "mine.yaml", "--suite", "mine", "--data", f"mine={folder}"]
    assert harness(*run, "--db", "h.db").code == 0
    right = boards(harness, "h.db")
    (folder / "k").rename(folder / "a")
    assert harness(*run, "--db", "h.db").code == 0
    (folder / "a").rename(folder / "k")
    back = harness(*run, "--db", "h.db")
    assert "nothing to do" in back.err
    assert boards(harness, "h.db") == right
    assert {images for *_, images in in_sql("h.db")} == {18}
    (cell,) = [
        cell["key"]
        for cell in json.loads(harness("show", "--db", "h.db", "--format", "json").out)
        if cell["goal"] == "untargeted"
    ]
    image = f"b/{next((folder / 'b').iterdir()).name}"
    shown = json.loads(harness("show", cell, image, "--db", "h.db", "--format", "json").out)
    assert shown["label"] == 0
    whole = json.loads(harness("show", cell, "--db", "h.db", "--format", "json").out)
    assert whole["images"] == 18
