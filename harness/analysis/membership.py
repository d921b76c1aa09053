"""Which models a frontier may go through.

The largest of many noisy means is the luckiest one, and a network that guesses has no trade-off.
So a model is left out of the frontier, and beats nobody, if

- its accuracy cannot be told from chance: the 95% Wilson interval includes 1 / classes, or is below
  it; a published accuracy, which has no interval, is chance or less; or
- its mean is over few images: fewer than `FEW`, and fewer than a `SHARE` of those of the model with
  the most, so that its standard error is more than twice as large at equal spread.

A run of few images for all models keeps its frontier: there the intervals say how little it is.
"""

from __future__ import annotations

from harness.analysis.place import Accuracy
from harness.api.statistics import wilson

FEW = 30
SHARE = 0.25


def excluded(accuracy: Accuracy, classes: int | None, images: int, most: int) -> str | None:
    """Why a model is no member of a frontier; None: it may be one.

    Args:
        images: those that its mean is over; ``most``: of the model with the most.
    """
    if classes is not None and _guesses(accuracy, 1 / classes):
        of = f" of {accuracy.images} images" if accuracy.shown == "measured" else ""
        return f"top-1 {accuracy.top1:.1%}{of} cannot be told from chance ({1 / classes:.1%})"
    if images < min(FEW, SHARE * most):
        which = "1 image" if images == 1 else f"{images} images"
        return f"its mean is over {which}, and another model's over {most}"
    return None


def _guesses(accuracy: Accuracy, chance: float) -> bool:
    if accuracy.shown == "published":
        return accuracy.published is not None and accuracy.published <= chance
    interval = wilson(accuracy.correct, accuracy.images)
    return interval is not None and interval[0] <= chance
