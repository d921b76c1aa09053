"""Distortions of the broken images, in pixel space: raw, and per pixel.

The paper divides by "the number of total pixels" (Su et al. 2018, section 3), which is either
height x width or that times the channels, and no released code does it: both are offered.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from statistics import fmean, median
from typing import ClassVar, Literal

from harness.api import CellRows, Metric, Score


class Distortion(Metric):
    """One number from the broken images' norms, over `divisor`."""

    unit = "px"
    norm: ClassVar[Literal["linf", "l2", "l1"]]

    @staticmethod
    @abstractmethod
    def middle(norms: Sequence[float]) -> float:
        """The number for all images."""

    def divisor(self, shape: tuple[int, int, int]) -> int:
        """What a distortion of a (channels, height, width) image is divided by."""
        return 1

    def score(self, cell: CellRows) -> Score:
        found = [getattr(row.norms, self.norm) for row in cell.broken]
        norms = [value for value in found if value is not None]
        value = self.middle(norms) / self.divisor(cell.shape) if norms else None
        return Score(value, len(norms))


class Mean(Distortion):
    """The mean; it overstates the robustness of models with few broken images."""

    @staticmethod
    def middle(norms: Sequence[float]) -> float:
        return fmean(norms)


class Median(Distortion):
    """The median of the broken images, failures left out."""

    @staticmethod
    def middle(norms: Sequence[float]) -> float:
        return float(median(norms))


class PerPixelHW(Distortion):
    """Over the number of places, height x width."""

    def divisor(self, shape: tuple[int, int, int]) -> int:
        return shape[1] * shape[2]


class PerPixelHWC(Distortion):
    """Over the number of values, height x width x channels."""

    def divisor(self, shape: tuple[int, int, int]) -> int:
        return shape[0] * shape[1] * shape[2]


class MeanLinf(Mean):
    norm = "linf"


class MeanL2(Mean):
    norm = "l2"


class MeanL1(Mean):
    norm = "l1"


class MedianLinf(Median):
    norm = "linf"


class MedianL2(Median):
    norm = "l2"


class MedianL1(Median):
    norm = "l1"


class L2PerPixelHW(PerPixelHW, MeanL2):
    pass


class L2PerPixelHWC(PerPixelHWC, MeanL2):
    pass


class L1PerPixelHW(PerPixelHW, MeanL1):
    pass


class L1PerPixelHWC(PerPixelHWC, MeanL1):
    pass
