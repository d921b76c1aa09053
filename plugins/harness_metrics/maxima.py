"""Gradients into batch maxima: CLEVER's work on the device."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.api import Pair, Probe, Subject
from harness_metrics.samples import DUAL, Ball, blocks

if TYPE_CHECKING:
    from harness_metrics.clever import Clever

FIRST = 32
"""How many batches there are before the first look at the interval of a sequential stop."""


def batch_maxima(
    clever: Clever, probe: Probe, subject: Subject, norm: Ball, pairs: Sequence[Pair]
) -> np.ndarray | None:
    """The largest dual norm of each pair's gradient in each batch, float32 (batches, pairs).

    None where a logit or a gradient around the image is not finite. With a tolerance there may be
    fewer batches than asked for.
    """
    found = np.empty((0, len(pairs)), dtype=np.float32)
    for batches in _stretches(clever):
        more = _maxima(clever, probe, subject, norm, pairs, batches)
        if more is None:
            return None
        found = np.concatenate((found, more))
        if clever.tolerance is not None and len(found) < clever.batches:
            from harness_metrics.bootstrap import narrow

            if all(narrow(column, clever.tolerance, subject.seed) for column in found.T):
                break
    return found


def _stretches(clever: Clever) -> list[range]:
    """The batches, in stretches with a look in between: each is half as long as all before it."""
    if clever.tolerance is None:
        return [range(clever.batches)]
    ends = [0, min(FIRST, clever.batches)]
    while ends[-1] < clever.batches:
        ends.append(min(ends[-1] + ends[-1] // 2, clever.batches))
    return [range(start, end) for start, end in itertools.pairwise(ends)]


def _maxima(
    clever: Clever,
    probe: Probe,
    subject: Subject,
    norm: Ball,
    pairs: Sequence[Pair],
    batches: range,
) -> np.ndarray | None:
    def length(gradients: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(gradients, DUAL[norm], dim=(1, 2, 3))
        return lengths

    device = subject.image.device
    maxima = torch.zeros((len(batches), len(pairs)), device=device)
    sane = torch.ones((), dtype=torch.bool, device=device)
    images: list[Tensor] = []
    places: list[int] = []

    def flush() -> None:
        nonlocal sane
        logits, lengths = probe.slopes(torch.cat(images), pairs, length)
        sane = sane & logits.isfinite().all() & lengths.isfinite().all()
        rows = torch.tensor(places, device=device)[:, None].expand_as(lengths)
        maxima.scatter_reduce_(0, rows, lengths, "amax")
        images.clear()
        places.clear()

    stream = blocks(
        *(subject, norm, batches, clever.samples),
        radius=clever.radius(norm),
        radial=clever.sampling == "radial",
        clip=clever.clip,
    )
    for batch, block in stream:
        images.append(block)
        places += [batch - batches.start] * len(block)
        if len(places) >= probe.size:
            flush()
    if images:
        flush()
    return maxima.cpu().numpy() if bool(sane) else None
