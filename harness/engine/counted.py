"""A model as a torch module that tells of its passes: what a bridge hands to another library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Told = Callable[[Tensor], None]
"""Called with each gradient that comes back to the images."""


class CountedModule(nn.Module):
    """``evaluate`` as a module in eval mode, without weights.

    Attributes:
        place: the only parameter; libraries look at the first one for the device.
    """

    def __init__(self, evaluate: Callable[[Tensor], Tensor], device: torch.device) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros((), device=device), requires_grad=False)
        self._evaluate = evaluate
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self._evaluate(images)


def noted(images: Tensor, told: Told) -> Tensor:
    """``images`` to evaluate: ``told`` is called with each gradient that comes back."""
    found: Tensor = _Noted.apply(images, told)
    return found


def without_slopes(logits: Tensor, images: Tensor, why: Exception) -> Tensor:
    """``logits`` of ``images``; whoever differentiates them gets ``why``."""
    found: Tensor = _Refused.apply(images, logits, why)
    return found


class _Noted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, told: Told) -> Tensor:
        ctx.told, ctx.plain = told, images.is_contiguous()
        return images.view_as(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = gradients[0].contiguous() if ctx.plain else gradients[0]  # many call `view`
        ctx.told(gradient)
        return gradient, None


class _Refused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, logits: Tensor, why: Exception) -> Tensor:
        ctx.why = why
        return logits.view_as(logits)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise ctx.why
