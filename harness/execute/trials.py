"""A model is tried on the run's first images when it is loaded for work, and told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import torch

from harness.analysis import doubts
from harness.api import DataError, ImageKey
from harness.engine.trial import IMAGES, tried
from harness.execute.images import Images
from harness.execute.model_cache import Loaded
from harness.execute.progress import Progress
from harness.execute.recorder import Recorder
from harness.planning import Cell
from harness.store.read.pending import done_clean


def try_model(
    loaded: Loaded,
    clean: Cell,
    images: Images,
    recorder: Recorder,
    progress: Progress,
    evict_others: Callable[[], None],
) -> None:
    """Try a model, once, on the first images of its ``clean`` cell, and store what was found.

    Where memory is short, models that only wait ``evict_others``.

    Raises:
        ModelError: it fails, or cannot be measured.
    """
    model = loaded.model
    if model.trial is not None:
        return
    pictures = [torch.empty(0, *model.shape)]
    for image in clean.images[:IMAGES]:
        with suppress(DataError):  # told when the image's turn comes
            pictures.append(images.read(image.id, model.shape[1:], loaded.cut)[None])
    model.trial = tried(model, torch.cat(pictures), lambda _: evict_others())
    recorder.record_trial(clean.key, model.trial)
    for line in doubts.of_trial(model.trial):
        progress.say(f"{clean.model.name}: {line}")


def doubt_accuracy(
    clean: Cell, keys: Mapping[str, ImageKey], recorder: Recorder, progress: Progress
) -> None:
    """Say where a model's accuracy is no better than chance, or far from the published one."""
    stored = done_clean(recorder.db, clean.key, retry_errors=True)
    found = {key: stored.get(key) for key in (keys[image.id] for image in clean.images)}
    right = [row.predicted == key.label for key, row in found.items() if row is not None]
    published = clean.model.about["published"]["top1"]
    share = None if published is None else published / 100
    for line in doubts.of_accuracy(sum(right), len(right), clean.model.identity["classes"], share):
        progress.say(f"{clean.model.name}: {line}")
