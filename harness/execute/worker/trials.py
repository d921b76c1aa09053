"""A model is tried on the run's first images when it is loaded for work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import torch

from harness.api import DataError
from harness.api.trial import ModelTrial
from harness.engine.trial import IMAGES, tried
from harness.execute.images import Images
from harness.execute.worker.model_cache import Loaded


def try_model(
    loaded: Loaded, ids: Sequence[str], images: Images, evict_others: Callable[[], None]
) -> ModelTrial | None:
    """Try a model, once, on the first of the images ``ids``; what was found, None later on.

    Where memory is short, models that only wait are evicted.

    Raises:
        ModelError: it fails, or cannot be measured.
    """
    model = loaded.model
    if model.trial is not None:
        return None
    first = [torch.empty(0, *model.shape)]
    for image in ids[:IMAGES]:
        with suppress(DataError):  # reported when the image's turn comes
            first.append(images.read(image, model.shape, loaded.cut)[None])
    model.trial = tried(model, torch.cat(first), lambda _: evict_others())
    return model.trial
