"""Gradients into batch maxima: CLEVER's work on the device."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from harness.api import Pair, Probe, Subject, looks
from harness_metrics.samples import DUAL, Sampling, blocks

FIRST = 32
"""How many batches there are before the first look at the interval of a sequential stop."""


def batch_maxima(
    sampling: Sampling, probe: Probe, subject: Subject, pairs: Sequence[Pair]
) -> np.ndarray | None:
    """The largest dual norm of each pair's gradient in each batch, float32 (batches, pairs).

    None where a logit or a gradient around the image is not finite. With a tolerance there may be
    fewer batches than asked for.
    """
    found = np.empty((0, len(pairs)), dtype=np.float32)
    for batches in _stretches(sampling):
        more = _maxima(sampling, probe, subject, pairs, batches)
        if more is None:
            return None
        found = np.concatenate((found, more))
        if sampling.tolerance is not None and len(found) < sampling.batches:
            from harness_metrics.bootstrap import narrow

            if all(narrow(column, sampling.tolerance, subject.seed) for column in found.T):
                break
    return found


def _stretches(sampling: Sampling) -> list[range]:
    """The batches, in stretches with a look in between: each is half as long as all before it."""
    if sampling.tolerance is None:
        return [range(sampling.batches)]
    ends = [0, min(FIRST, sampling.batches)]
    while ends[-1] < sampling.batches:
        ends.append(min(ends[-1] + ends[-1] // 2, sampling.batches))
    return [range(start, end) for start, end in itertools.pairwise(ends)]


def _maxima(
    sampling: Sampling,
    probe: Probe,
    subject: Subject,
    pairs: Sequence[Pair],
    batches: range,
) -> np.ndarray | None:
    def length(gradients: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(gradients, DUAL[sampling.norm], dim=(1, 2, 3))
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
        rows = torch.tensor(places).to(device, non_blocking=True)[:, None].expand_as(lengths)
        maxima.scatter_reduce_(0, rows, lengths, "amax")
        images.clear()
        places.clear()

    stream = blocks(
        subject,
        sampling.norm,
        batches,
        sampling.samples,
        radius=sampling.radius,
        radial=sampling.radial,
        clip=sampling.clip,
    )
    for batch, block in stream:
        images.append(block)
        places += [batch - batches.start] * len(block)
        if len(places) >= probe.size:
            flush()
    if images:
        flush()
    found, good = looks(maxima, sane)
    return found.numpy() if bool(good) else None
