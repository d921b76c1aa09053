"""A model's gradients against finite differences of its logits."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.engine.classifier import PixelClassifier
from harness.testing.conformance.rule import NotChecked

SHARES = (0.1, 0.03, 0.01, 0.003, 0.001)
"""Of the largest logit, by which a step is to change it: a longer step is bent, and rounding hides
a shorter one."""
LONGEST = 1.0
"""Step, in l2."""
WRONG = 0.05
"""Of the slope: more than what is left of both at the best step."""
ROUNDING = 1e-6
"""Of a logit, as a share of the largest one."""


def slope_problem(model: PixelClassifier, images: Tensor) -> str | None:
    """How the slope along the gradient of a logit differs from its finite difference, if it does.

    The gradient is the module's; the logits are those of predictions. Each image's largest
    difference of two logits is followed.

    Raises:
        NotChecked: the logits hardly depend on the image, so that rounding hides the slope.
    """
    point = images.clone().requires_grad_(True)
    logits = model.forward(point)
    order = logits.detach().argsort(dim=1, descending=True)
    first, last = order[:, :1], order[:, -1:]
    (gradient,) = torch.autograd.grad(_spread(logits, first, last).sum(), point)
    length = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    if not (length > 0).any():
        return "the gradients of all images are zero, and their logits are not all equal"
    unit = gradient / length.clamp(min=1e-30)[:, None, None, None]
    largest = float(logits.detach().abs().max())
    if not (2 * ROUNDING * largest < WRONG * length * LONGEST).any():
        raise NotChecked("the logits of its example hardly depend on the image")
    best = torch.full_like(length, torch.inf)
    for share in SHARES:
        step = (share * largest / length.clamp(min=1e-30)).clamp(max=LONGEST)
        moved = step[:, None, None, None] * unit
        ahead, behind = (
            _spread(model.predict(images + sign * moved), first, last) for sign in (1, -1)
        )
        slope = (ahead - behind) / (2 * step)
        best = torch.minimum(best, (slope - length).abs() / length.clamp(min=1e-30))
    far = float(best.median())
    if far <= WRONG:
        return None
    return f"along the gradient the logits change by {far:.0%} more or less than it says"


def _spread(logits: Tensor, first: Tensor, last: Tensor) -> Tensor:
    return (logits.gather(1, first) - logits.gather(1, last)).squeeze(1)
