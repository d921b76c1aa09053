"""Linearised decision boundaries at a point, and the final search between an image and a success.

What FAB and DeepFool share.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Norm, margin, rivals
from harness_attacks.malt import DUAL

HAIR = 2**-18
"""The lead of a success, as a share of the largest logit: with less, which a search for the
boundary finds, the verdict's forward pass may see none. It is 32 times the precision of float32."""
GUARD = 0.02
"""The final search looks so far beyond the secant's root, as a share of what is left: at the root
itself a success is a matter of rounding."""
SMALLEST = 1e-20


class Boundary:
    """The nearest boundary z_k = z_c, linear at the point, with a backward pass for each class k.

    Which one is nearest is read off |z_k - z_c| over the gradient's dual norm. Rows with a target
    have one boundary: between the target and the likeliest other class.

    Args:
        candidates: how many of the likeliest other classes are compared.

    Attributes:
        lead: (n,), the margin by which the goal is reached.
        sure: bool (n,), whether it is reached by more than rounding.
        value: (n,), z_k - z_c of the nearest, growing towards the goal; 0 where it is not finite.
        normal: (n, values), its gradient.
    """

    def __init__(self, norm: Norm, candidates: int) -> None:
        self._norm, self._candidates = norm, candidates

    def observe(self, logits: Tensor, classes: Tensor, targeted: Tensor) -> None:
        """Take the logits at the point; ``classes`` and ``targeted`` as in `harness.api.Batch`."""
        largest, self._rival = rivals(logits, classes)
        self._logits, self._classes, self._targeted = logits, classes, targeted
        self.lead = margin(logits, classes, targeted, largest=largest)
        self.sure = self.lead > HAIR * logits.abs().amax(1)

    def first(self, others: Tensor | None = None) -> Tensor:
        """The first cotangent: of the likeliest other classes, or of the ``others`` given, (n,)."""
        self._place = 0
        other = self._rival if others is None else others
        return self._towards(torch.where(self._targeted, self._classes, other))

    def next(self) -> Tensor | None:
        """The cotangent of the next class by its logit; None after the last one."""
        self._place += 1
        if self._place == self._candidates:
            return None
        if self._place == 1:
            lowered = self._logits.scatter(1, self._classes[:, None], -torch.inf)
            self._order = lowered.topk(self._candidates).indices
        return self._towards(self._order[:, self._place])

    def take(self, normal: Tensor) -> None:
        """The gradient of the cotangent given last, (n, values); it belongs to the boundary now."""
        if self._place == 0:
            self.value, self.normal = self._difference, normal
            if self._candidates > 1:
                self._ratio = self._difference.abs() / self._length(normal)
            return
        ratio = self._difference.abs() / self._length(normal)
        nearer = (ratio < self._ratio) & ~self._targeted
        self._ratio = torch.where(nearer, ratio, self._ratio)
        self.value = torch.where(nearer, self._difference, self.value)
        self.normal = torch.where(nearer[:, None], normal, self.normal)

    def _towards(self, ahead: Tensor) -> Tensor:
        own = torch.where(self._targeted, self._rival, self._classes)[:, None]
        other, logits = ahead[:, None], self._logits
        difference = logits.gather(1, other) - logits.gather(1, own)
        self._difference = torch.where(difference.isfinite(), difference, 0).squeeze(1)
        one = torch.ones_like(difference)
        return torch.zeros_like(logits).scatter_(1, other, one).scatter_add_(1, own, -one)

    def _length(self, normal: Tensor) -> Tensor:
        return torch.linalg.vector_norm(normal, DUAL[self._norm], dim=1).clamp_(min=SMALLEST)


class FinalSearch:
    """Looks on the segment from each image to its nearest success (Croce & Hein 2020, eq. 12).

    A look is where the secant of the margin, between the last failure and the success, is 0, and a
    little beyond. The success takes the place of the old one, the failure begins the segment.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._low, self._low_lead, self._share = torch.zeros((3, count), device=device)

    def begin(self, rows: Tensor, clean_lead: Tensor) -> None:
        """The rows (a mask) whose segment begins at the image, where the margin is as given."""
        self._low = torch.where(rows, 0, self._low)
        self._low_lead = torch.where(rows, clean_lead, self._low_lead)

    def look(self, best_lead: Tensor) -> Tensor:
        """Where to look, (n, 1), as a share of the way from the image to the success."""
        root = -self._low_lead / (best_lead - self._low_lead).clamp_(min=SMALLEST)
        share = self._low + (1 - self._low) * root.clamp(0, 1)
        self._share = share + GUARD * (1 - share)
        return self._share[:, None]

    def narrow(self, rows: Tensor, hit: Tensor, lead: Tensor) -> None:
        """What the look showed to the ``rows``: whether it succeeded, and the margin."""
        low = torch.where(hit, self._low / self._share, self._share)
        self._low = torch.where(rows, low, self._low)
        self._low_lead = torch.where(rows & ~hit & lead.isfinite(), lead, self._low_lead)

    def keep(self, rows: Tensor) -> None:
        self._low, self._low_lead, self._share = (
            each[rows] for each in (self._low, self._low_lead, self._share)
        )
