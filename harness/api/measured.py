"""What measurements stored of images, as a plugin reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.api.records import ImageKey


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """A valid measurement of one image, without its arrays.

    Attributes:
        cell: the key.
        measurement: the label, with the parameters that are not their defaults.
        target: the target class; None for untargeted.
        numbers: `MeasurementResult.numbers`.
    """

    cell: str
    model: str
    measurement: str
    goal: str
    seed: int
    dataset: str
    image: ImageKey
    target: int | None
    numbers: Mapping[str, float]
