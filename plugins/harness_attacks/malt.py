"""Which target classes to try first: MALT, "mesoscopic almost linearity targeting".

Melamed, Yehudai & Shamir 2024 (arXiv 2407.02240), algorithm 1: a network that is almost linear in
the ball is carried across the boundary to class i after (z_y - z_i) / |gradient of z_i - z_y|, in
the dual norm of the attack's; the classes that are nearest in this sense come first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Norm

DUAL = {Norm.LINF: 1.0, Norm.L2: 2.0, Norm.L1: torch.inf}
"""The norm of the gradient, by the attack's."""


def largest(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """The ``count`` classes with the largest logits besides ``labels``, largest first; (n, count).

    AutoAttack's own order of targets (Croce & Hein 2020), and MALT's candidates.

    Args:
        logits: (n, classes).
        labels: int64 (n,); the true class is never among them.
        count: at most classes - 1.
    """
    lowered = logits.nan_to_num().scatter(1, labels[:, None], -torch.inf)
    return lowered.topk(count, dim=1).indices


class Malt:
    """Ranks candidates with a backward pass each, all of one forward pass at the clean images::

        malt = Malt(logits, labels, norm, candidates=100)
        while not malt.done:
            malt.take(gradient of the logits under malt.cotangent())
        targets = malt.targets(9)

    Args:
        logits: (n, classes), of the clean images.
        labels: int64 (n,), the true classes.
        norm: of the attack.
        candidates: the classes with the largest logits that are ranked; of few classes, all others.
    """

    def __init__(self, logits: Tensor, labels: Tensor, norm: Norm, candidates: int) -> None:
        self._logits, self._labels, self._norm = logits, labels, norm
        count = min(candidates, logits.shape[1] - 1)
        self._classes = largest(logits, labels, count)
        self._nearness: list[Tensor] = []

    @property
    def done(self) -> bool:
        return len(self._nearness) == self._classes.shape[1]

    def cotangent(self) -> Tensor:
        """Of the next candidate's logit minus the true class's, (n, classes)."""
        column = self._candidate()
        zeros = torch.zeros_like(self._logits)
        return zeros.scatter_(1, column, 1.0).scatter_(1, self._labels[:, None], -1.0)

    def take(self, gradient: Tensor) -> None:
        """The gradient under `cotangent`, (n, ...)."""
        column = self._candidate()
        length = torch.linalg.vector_norm(gradient.flatten(1), DUAL[self._norm], dim=1)
        own = self._logits.gather(1, self._labels[:, None])
        ahead = (self._logits.gather(1, column) - own).squeeze(1)
        # No gradient, no way there; NaN is no nearer.
        self._nearness.append((ahead / length).nan_to_num(nan=-torch.inf, posinf=torch.inf))

    def targets(self, count: int) -> Tensor:
        """The ``count`` nearest of the candidates, nearest first, int64 (n, count)."""
        nearness = torch.stack(self._nearness, dim=1)
        order = nearness.sort(dim=1, descending=True, stable=True).indices
        return self._classes.gather(1, order[:, :count])

    def _candidate(self) -> Tensor:
        place = len(self._nearness)
        return self._classes[:, place : place + 1]
