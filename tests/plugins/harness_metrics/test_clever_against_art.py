"""Batch maxima against those of the Adversarial Robustness Toolbox, on the same samples.

Its fit is no oracle (it starts once, on maxima of a pool resampled with replacement), so the scores
are not compared; but with our samples as its pool, and its resampling undone, its maxima are ours.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import Subject
from harness.testing.fakes import jobs_for, measure_all, pixel_model
from harness_metrics.clever import Clever
from harness_metrics.samples import blocks

BATCHES, SAMPLES = 6, 20


@pytest.mark.parametrize(("norm", "order"), [("l1", 1), ("l2", 2), ("linf", np.inf)])
def test_the_maxima_are_arts(monkeypatch, workers, norm, order):
    pytest.importorskip(
        "art", reason="adversarial-robustness-toolbox is not installed: `make peers`"
    )
    from art.estimators.classification import PyTorchClassifier
    from art.metrics import metrics

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Softplus(), nn.Flatten(), nn.Linear(6 * 64, 5)
    )
    model = pixel_model(network, classes=5, size=(8, 8))
    (job,) = jobs_for(model, torch.rand((1, 3, 8, 8)), [None])
    target = (job.label + 2) % 5
    clever = Clever(
        norms=(norm,), batches=BATCHES, samples=SAMPLES,
        radius_l1=2.0, radius_l2=0.5, radius_linf=0.1,
    )  # fmt: skip
    subject = Subject(job.image, job.label, None, job.seed)
    drawn = blocks(
        *(subject, norm, range(BATCHES), SAMPLES),
        radius=clever.radius(norm), radial=False, clip=False,
    )  # fmt: skip
    moved = torch.cat([block for _, block in drawn]) - job.image

    picks = iter(np.arange(BATCHES * SAMPLES).reshape(BATCHES, SAMPLES))
    theirs = []

    def keep(maxima, *_, **__):
        theirs.append(-maxima)
        return 1.0, -1.0, 1.0

    monkeypatch.setattr(metrics, "random_sphere", lambda **_: moved.flatten(1).double().numpy())
    monkeypatch.setattr(metrics.np.random, "choice", lambda *_: next(picks))
    monkeypatch.setattr(metrics.weibull_min, "fit", keep)
    art = PyTorchClassifier(model.differentiable, nn.CrossEntropyLoss(), (3, 8, 8), 5)
    metrics.clever_t(
        *(art, job.image.numpy(), target, BATCHES, SAMPLES, clever.radius(norm), order),
        pool_factor=BATCHES,
    )
    (row,) = measure_all(clever, model, [job], workers)
    np.testing.assert_allclose(row.arrays[f"{norm}.{target}"], theirs[0], rtol=1e-5)
