"""Lists of validation images: the study's 1,000, the 100 of its CLEVER scores, RobustBench's 5,000.

The study's are shipped as its code gives them: ``<label 1..1000>.<8-digit number>.jpg``, for
CLEVER with a target each. The 1,000 can be drawn anew from the labels of all 50,000 (`drawn`).
RobustBench's holds the labels, 0-based, and numbers of the images that it evaluates ImageNet models
on, in its order (RobustBench 1.1.1, `helper_files/imagenet_test_image_ids.txt`; MIT License,
Copyright (c) 2020 Francesco Croce, Maksym Andriushchenko, Vikash Sehwag).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from harness_datasets.names import official_id, survey_name

SURVEY, CLEVER, ROBUSTBENCH = "survey-1000", "clever-100", "robustbench-5000"
LISTS = (SURVEY, CLEVER, ROBUSTBENCH)
SEED = 1215

BIRD, MACHINE = 134, 517
"""Two classes are called crane. The study's names count the birds among the machines."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An image of a list; classes are 0-based."""

    id: str
    label: int
    target: int | None = None

    def agrees_with(self, label: int) -> bool:
        """Whether ``label`` is the list's; a bird may be one."""
        return label == self.label or (label, self.label) == (BIRD, MACHINE)


def load(name: str) -> tuple[Listed, ...]:
    """The list ``name``, one of `LISTS`, in its own order."""
    if name == SURVEY:
        return tuple(_listed(file) for file in names())
    if name == ROBUSTBENCH:
        pairs = (map(int, line.split()) for line in _lines("robustbench-5000.txt"))
        return tuple(Listed(official_id(number), label) for label, number in pairs)
    rows = [line.split("\t") for line in _lines("clever-100.tsv")[1:]]
    return tuple(_listed(file, int(target) - 1) for _, file, _, target, _ in rows)


def clever_targets() -> Mapping[str, int]:
    """The 0-based target class of the study's random goal, by image id, for its CLEVER scores."""
    return {row.id: row.target for row in load(CLEVER) if row.target is not None}


def names() -> list[str]:
    """The file names of the 1,000 images, as the study has them."""
    return _lines("survey-1000.txt")


def drawn(labels: Mapping[int, int]) -> list[str]:
    """The 1,000 names drawn anew from ``labels``: 0-based class by number, of all 50,000 images.

    The names sorted, shuffled by Python's generator with seed 1215, the first 1,000 [the study's
    code]. Equal to `names` for the official labels.
    """
    every = sorted(
        f"{(MACHINE if label == BIRD else label) + 1}.{number:08d}.jpg"
        for number, label in labels.items()
    )
    random.Random(SEED).shuffle(every)
    return every[:1000]


def _listed(file: str, target: int | None = None) -> Listed:
    found = survey_name(file)
    assert found is not None
    label, number = found
    return Listed(official_id(number), label - 1, target)


def _lines(name: str) -> list[str]:
    return (files("harness_datasets") / "lists" / name).read_text(encoding="ascii").splitlines()
