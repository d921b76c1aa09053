"""Tasks on a list of a dataset's images, with the targets that a study gave them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import harness
from harness.api import ConfigError, Goal
from harness.planning import Cell
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import draft, prepare
from harness.resolve.request import Request
from harness.store.read.cells import suite_cells
from harness_datasets import lists
from harness_datasets.tree import class_numbers

WNIDS = list(class_numbers())
CLEVER = {row.id: row for row in lists.load("clever-100")}
OTHERS = [row for row in lists.load("survey-1000") if row.id not in CLEVER][:7]

MODEL = """\
import torch


class Nearest(torch.nn.Module):
    preprocessing = {"size": [8, 8]}

    def __init__(self):
        super().__init__()
        label = torch.arange(1000)
        colours = torch.stack([label // 32, label % 32, label * 0], 1) / 32
        self.register_buffer("colours", colours)

    def forward(self, images):
        mean = images.mean((2, 3))
        return 100 * (2 * mean @ self.colours.T - self.colours.square().sum(1))


def build():
    return Nearest()
"""

SUITES = """\
models:
  nearest:
    loader: python
    code: net.py
    architecture: build
    classes: 1000
    preprocessing: {size: [8, 8]}
datasets:
  photos: {reader: imagenet, version: "1", classes: 1000}
suites:
  listed:
    dataset: photos
    models: [nearest]
    images: 104
    attacks: [{attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}]
    measurements:
      - measurement: clever
        goals: [random, least-likely]
        list: clever-100
        images: 9
        parameters: {norms: [l2], batches: 3, samples: 2, radius_l2: 0.1}
    metrics: [success]
  drawn:
    extends: listed
    replaces: [measurements]
    measurements:
      - measurement: clever
        goals: [random, least-likely]
        images: 9
        parameters: {norms: [l2], batches: 3, samples: 2, radius_l2: 0.1}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The 100 images and seven more, each in the colour of its class; and suites on them."""
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "suites.yaml").write_text(SUITES)
    for row in (*CLEVER.values(), *OTHERS):
        put(tmp_path / "photos", row)
    return tmp_path


def put(root: Path, row: lists.Listed) -> Path:
    folder = root / WNIDS[row.label]
    folder.mkdir(parents=True, exist_ok=True)
    colour = (row.label // 32 * 8, row.label % 32 * 8, 0)
    with (folder / f"{row.id}.JPEG").open("wb") as file:
        Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return folder / f"{row.id}.JPEG"


def cells(root: Path, suite: str, **asked: Any) -> dict[tuple[str, Goal | None], Cell]:
    """The planned cells by task and goal."""
    request = Request(suite=suite, data={"photos": root / "photos"}, **asked)
    with pytest.warns(UserWarning, match="running"):
        plan = draft(request, load([root / "suites.yaml"]), installed()).resolved.plan
    return {(cell.label.removeprefix("nearest "), cell.goal): cell for cell in plan.cells}


def test_a_measurement_is_on_the_list_with_its_targets(photos: Path) -> None:
    db = photos / "h.db"
    with pytest.warns(UserWarning, match="running"):
        harness.run(
            "listed",
            db=db,
            registry=[photos / "suites.yaml"],
            data={"photos": photos / "photos"},
            progress="none",
        )
    with sqlite3.connect(db) as connection:
        rows = connection.execute(
            "SELECT cells.goal, images.name, measured.target FROM measured"
            " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
        ).fetchall()
        labels = {(cell.goal, cell.label[-14:]) for cell in suite_cells(connection, "listed")}
        tried = connection.execute("SELECT count(*) FROM outcomes GROUP BY cell_id").fetchall()
    given = {name: target for goal, name, target in rows if goal == "random"}
    assert len(given) == 9
    assert given == {name: CLEVER[name].target for name in given}
    others = {name for goal, name, _ in rows if goal == "least-likely"}
    assert others == given.keys()
    assert {goal for goal, label in labels if label == " targets=given"} == {"random"}
    assert tried == [(104,), (104,)]


def test_only_given_targets_make_another_key(photos: Path) -> None:
    listed, drawn = cells(photos, "listed"), cells(photos, "drawn")
    assert len(listed) == len(drawn) == 5
    both = {cell.key for cell in listed.values()} & {cell.key for cell in drawn.values()}
    assert len(both) == 4
    (given,) = (cell for cell in listed.values() if cell.key not in both)
    assert (given.goal, given.task and dict(given.task.targets)) == (
        Goal.RANDOM, {row.id: row.target for row in CLEVER.values()},
    )  # fmt: skip
    changed = replace(CLEVER["ILSVRC2012_val_00048654"], target=3)
    rows = tuple(changed if row.id == changed.id else row for row in lists.load("clever-100"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "load", lambda name: rows)
        assert given.key not in {cell.key for cell in cells(photos, "listed").values()}


def test_the_order_begins_with_the_list(photos: Path) -> None:
    (clean, *_), measured = cells(photos, "listed").values(), "clever"
    assert {image.id for image in clean.images[:100]} == CLEVER.keys()
    for asked, number in (({"limit": 3}, 3), ({"images": ["*_000?????"]}, 9)):
        few = cells(photos, "listed", **asked)
        taken = [cell.images for (name, _), cell in few.items() if name.startswith(measured)]
        assert {len(images) for images in taken} == {number}
        assert all(image.id in CLEVER for images in taken for image in images)
    ids = [row.id for row in OTHERS[:2]] + ["ILSVRC2012_val_00048654"]
    few = cells(photos, "listed", images=ids)
    taken = [cell.images for (name, _), cell in few.items() if name.startswith(measured)]
    assert [[image.id for image in images] for images in taken] == [ids[2:]] * 2


def test_a_list_that_is_not_all_there(photos: Path) -> None:
    """The suite's own dataset must have it; another one in its place is used as it is, and said."""
    put(photos / "photos", CLEVER["ILSVRC2012_val_00048654"]).unlink()
    with pytest.raises(ConfigError, match="dataset photos: unknown list of images 'clever-100'"):
        cells(photos, "listed")
    said: list[str] = []
    request = Request(suite="listed", dataset=f"imagenet:{photos / 'photos'}")
    with pytest.warns(UserWarning, match="running"):
        plan = prepare(request, load([photos / "suites.yaml"]), installed(), say=said.append).plan
    assert said == ["dataset photos-imagenet has no list clever-100: targets are drawn"]
    assert not any(cell.task.targets for cell in plan.cells if cell.task)


def test_a_suite_has_one_list(tmp_path: Path) -> None:
    two = "  two: {extends: listed, attacks: [{attack: fgsm, list: survey-1000}]}\n"
    (tmp_path / "suites.yaml").write_text(SUITES + two)
    with pytest.raises(
        ConfigError, match="several lists of images, where one can be: survey-1000, clever-100"
    ):
        load([tmp_path / "suites.yaml"])


def test_the_study_has_its_own_hundred() -> None:
    (clever, _) = load().suites["imagenet18"].measurements
    assert (clever.measurement, clever.list, clever.images) == ("clever", "clever-100", 100)
    assert CLEVER.keys() <= {row.id for row in lists.load("survey-1000")}
