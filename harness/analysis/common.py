"""Images that every model of a leaderboard classifies correctly, by stored clean predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Common:
    """The images that the models have in common.

    Attributes:
        images: the ids of those that all ``models`` classify correctly.
        of: the number of images of all models together.
        models: those with clean predictions; those ``without`` any do not matter.
        unpredicted: for each of ``models`` that has no prediction for some of the images, for how
            many; such images cannot be common.
    """

    images: frozenset[int]
    of: int
    models: tuple[str, ...]
    without: tuple[str, ...]
    unpredicted: Mapping[str, int]


def common_images(predictions: Mapping[str, Mapping[int, bool | None]]) -> Common:
    """What the models have in common.

    Args:
        predictions: by model, whether it classifies each image correctly; None where it has no
            prediction.
    """
    known = {
        model: {image: right for image, right in rows.items() if right is not None}
        for model, rows in predictions.items()
    }
    everything = frozenset(image for rows in predictions.values() for image in rows)
    models = tuple(model for model, rows in known.items() if rows)
    images = everything if models else frozenset()
    for model in models:
        images &= {image for image, right in known[model].items() if right}
    return Common(
        images=images,
        of=len(everything),
        models=models,
        without=tuple(model for model, rows in known.items() if not rows),
        unpredicted={
            model: len(everything) - len(known[model])
            for model in models
            if len(known[model]) < len(everything)
        },
    )
