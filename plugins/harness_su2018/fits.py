"""The study's fits: section 4.2 and the captions of its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.api import FittedLine, ReferenceFit

RANGE = {"low": 0.569, "high": 0.827}
"""Published top-1 of the least and the most accurate of the study's frontier models."""


def _line(a: float, b: float, scale: float, **more: Any) -> FittedLine:
    return FittedLine(a * scale, b * scale, **RANGE, **more)


def _per_pixel(a: float, b: float, scale: float) -> FittedLine:
    caveat = "the paper's number of pixels may be three times the height times the width"
    return _line(a, b, scale, per_pixel=True, caveat=caveat)


class Paper(ReferenceFit):
    """The published fits. "Common" are the 327 images that all 18 models classify correctly."""

    source = "published by Su et al. 2018"
    fits: ClassVar[Mapping[str, FittedLine]] = {
        "ifgsm linf random": _line(6.2, 2.9, 1e-2),
        "cw l2 random": _per_pixel(2.1, 1.1, 1e-5),
        "clever l2 random": _per_pixel(12.5, 4.6, 1e-6),
        "ifgsm linf random common": _line(8.5, 4.3, 1e-2),
        "cw l2 random common": _per_pixel(17.3, 9.0, 1e-6),
        "ifgsm linf least-likely": _line(
            8.5,
            4.3,
            1e-2,
            caveat="the paper gives it the same numbers as its common images: perhaps a slip",
        ),
        "cw l2 least-likely": _per_pixel(2.7, 1.5, 1e-5),
    }
