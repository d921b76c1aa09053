"""Images that stay paired across models: what a bootstrap over images resamples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api.statistics import Floats


@dataclass(frozen=True, slots=True)
class Sample:
    """One model's images by id.

    Attributes:
        right: whether it classifies each correctly; without those that have no prediction.
        values: distortions of broken images, or scores of measured ones.
        accuracy: top-1 in [0, 1] to use instead of ``right``, such as a published one.
    """

    right: Mapping[int, bool]
    values: Mapping[int, float]
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Images:
    """The samples as matrices (images, models): 1 and 0, and values with 0 where there is none."""

    ids: list[int]
    known: Floats
    right: Floats
    has: Floats
    values: Floats
    fixed: Floats

    @classmethod
    def of(cls, samples: Mapping[str, Sample]) -> Images:
        import numpy as np

        rows = samples.values()
        ids = sorted(set().union(*(row.right.keys() | row.values.keys() for row in rows)))
        place = {image: index for index, image in enumerate(ids)}
        known, right, has, values = np.zeros((4, len(ids), len(samples)))
        for column, row in enumerate(rows):
            predicted = [place[image] for image in row.right]
            known[predicted, column] = 1
            right[predicted, column] = list(row.right.values())
            valued = [place[image] for image in row.values]
            has[valued, column] = 1
            values[valued, column] = list(row.values.values())
        fixed = [np.nan if row.accuracy is None else row.accuracy for row in rows]
        return cls(ids, known, right, has, values, np.array(fixed))
