"""The study's image lists: as published, and drawn anew."""

from __future__ import annotations

import hashlib
import importlib.util
import random
from importlib.resources import files
from pathlib import Path

import pytest

from harness_datasets import lists
from harness_datasets.tree import class_numbers


@pytest.mark.parametrize(
    ("file", "digest"),
    [
        (
            "survey-1000.txt",
            "b8ae404f9fecfeedd8cad8f12636cf10a846d542333dc6af1dec1685913c57ac",
        ),
        (
            "clever-100.tsv",
            "174eb8c4c0f52e18cc2db00c423a919680c8ac31590b063f6dd774d36066db81",
        ),
    ],
)
def test_the_files_are_the_studys(file: str, digest: str) -> None:
    content = (files("harness_datasets") / "lists" / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest


def test_the_thousand() -> None:
    listed = lists.load("survey-1000")
    assert listed[0] == lists.Listed("ILSVRC2012_val_00029510", 138)
    assert len({row.id for row in listed}) == 1000
    assert all(0 <= row.label < 1000 and row.target is None for row in listed)
    spelled = [f"{row.label + 1}.{row.id[-8:]}.jpg" for row in listed]
    assert spelled == lists.names()


def test_the_hundred_and_their_targets() -> None:
    listed = lists.load("clever-100")
    targets = lists.clever_targets()
    assert len(listed) == len(targets) == 100
    assert listed[0] == lists.Listed("ILSVRC2012_val_00048654", 467, 451)
    assert all(targets[row.id] == row.target != row.label for row in listed)
    labels = {row.id: row.label for row in lists.load("survey-1000")}
    assert all(labels[row.id] == row.label for row in listed)


def test_robustbenchs_five_thousand() -> None:
    listed = lists.load("robustbench-5000")
    assert listed[0] == lists.Listed("ILSVRC2012_val_00015253", 979)
    assert len({row.id for row in listed}) == 5000
    study = {row.id: row for row in lists.load("survey-1000")}
    both = [row for row in listed if row.id in study]
    assert len(both) == 86
    assert all(study[row.id].agrees_with(row.label) for row in both)


def test_robustbenchs_list_is_the_packages() -> None:
    """File by file, with the labels' places among the sorted wnids."""
    spec = importlib.util.find_spec("robustbench")  # to import it takes seconds
    if spec is None or spec.origin is None:
        pytest.skip("RobustBench is not installed")
    wnids = list(class_numbers())
    package = Path(spec.origin).parent / "helper_files" / "imagenet_test_image_ids.txt"
    spelled = [f"{wnids[row.label]}/{row.id}.JPEG" for row in lists.load("robustbench-5000")]
    assert spelled == package.read_text().split()


def test_a_bird_agrees_with_the_machine_and_nothing_else() -> None:
    machine = lists.Listed("x", 517)
    assert machine.agrees_with(134)
    assert machine.agrees_with(517)
    assert not machine.agrees_with(133)
    assert not lists.Listed("x", 134).agrees_with(517)


def test_drawing_is_the_studys_recipe() -> None:
    """Labels of no one's; the recipe written down once more, with the module-wide generator."""
    generator = random.Random(5)
    classes = [*range(1000), *[134] * 100]  # birds enough for some to be drawn
    labels = {number: generator.choice(classes) for number in range(1, 50_001)}
    named = [f"{label + 1}.{number:08d}.jpg" for number, label in labels.items()]
    names = sorted(f"518{name[3:]}" if name[:4] == "135." else name for name in named)
    state = random.getstate()
    try:
        random.seed(1215)
        random.shuffle(names)
    finally:
        random.setstate(state)
    drawn = lists.drawn(dict(reversed(labels.items())))
    assert drawn == names[:1000]
    assert any(name[:4] == "518." and f"135{name[3:]}" in named for name in drawn)
    before = random.getstate()
    lists.drawn({1: 0})
    assert random.getstate() == before
