"""What the writer takes: plain frozen rows, no ids of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.api import Status


class ImageKey(NamedTuple):
    """What makes an image the same one within its data set; a tuple, for there are many.

    A file that changed is another image, and so is one whose label was mended.

    Attributes:
        name: the image's id.
        digest: SHA-256 of its source, empty where it cannot be read.
        label: the true class, 0-based.
    """

    name: str
    digest: str
    label: int


@dataclass(frozen=True, slots=True)
class KeptRow:
    """Where a kept candidate lies: an artifact's id in the database, and a row of its tensor."""

    artifact: int
    row: int


@dataclass(frozen=True, slots=True)
class CleanResult:
    """A model's clean prediction of one image; ``predicted`` is None where that failed.

    Attributes:
        margin: the true class's logit minus the largest other one.
        least, second: the least likely class, and the most likely one besides the prediction.
        error: one line, where it failed.
    """

    image_id: str
    predicted: int | None
    margin: float | None
    least: int | None
    second: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image of an attack cell.

    Attributes:
        target: the class to reach; None for the untargeted goal and where it is not known.
        predicted, margin: on the candidate; a positive margin means that the goal was reached.
        linf, l2, l1, l0: of candidate minus image in pixel space.
        forwards, backwards: image passes that the attack made.
        numbers: the attack's further numbers; what is not finite is not stored.
        kept: where the candidate lies, if the cell keeps its images.
        rounded_status, rounded_predicted, rounded_margin: the verdict on the candidate rounded to 8
            bits: robust or broken; None where there is none.
    """

    image_id: str
    status: Status
    target: int | None = None
    predicted: int | None = None
    margin: float | None = None
    confident: bool = False
    linf: float | None = None
    l2: float | None = None
    l1: float | None = None
    l0: int | None = None
    forwards: int = 0
    backwards: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    kept: KeptRow | None = None
    rounded_status: Status | None = None
    rounded_predicted: int | None = None
    rounded_margin: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of one image of a measurement's cell.

    Attributes:
        status: ``measured``, ``clean_wrong``, ``invalid`` or ``error``.
        target: the goal's class; None for the untargeted goal and where it is not known.
        forwards, backwards: passes that the measurement made.
        numbers: what is not finite is not stored.
        arrays: float32, little-endian.
        error: why it is invalid, or what failed.
    """

    image_id: str
    status: Status
    target: int | None = None
    forwards: int = 0
    backwards: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, bytes] = field(default_factory=dict)
    error: str | None = None
