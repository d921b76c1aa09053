"""Linear models and jobs for the tests of best queries and budgets."""

from __future__ import annotations

import torch

from harness.testing.fakes import jobs_for, linear_model

SIZE = (3, 4)
VALUES = 36
CLASSES = 3


def model():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn((CLASSES, VALUES), generator=generator)
    return linear_model(weights, -weights.sum(1) / 2, size=SIZE)


def jobs(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = 0.2 + 0.6 * torch.rand((count, 3, *SIZE), generator=generator)
    found = model()
    labels = found.predict(images).argmax(1)
    targets = [None if row % 3 else int(label + 1) % CLASSES for row, label in enumerate(labels)]
    return jobs_for(found, images, targets)
