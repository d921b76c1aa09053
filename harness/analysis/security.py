"""Security curves: an attack's success as a function of the perturbation budget.

The curve is exact, a step function: the empirical distribution of the images' smallest known
distortions, with those that the attack did not break at infinity. Each of an image's distortions
is that of an adversarial image, so the curve is a lower bound on the success that is possible at a
budget; that holds for an attack with a fixed budget and in norms other than its own too, so all
have curves, of the distances that their candidates actually have.

Security evaluation curves: Biggio and Roli 2018, arXiv 1712.03141.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecurityCurve:
    """The success of one attack on one model, over the budgets of one norm.

    Attributes:
        norm: ``linf``, ``l2``, ``l1`` or ``l0``.
        budgets: the distances of the broken images, ascending, in pixel space [0, 1] (l0: changed
            values).
        attacked: the images with a verdict, broken or robust: the denominator.

    Raises:
        ValueError: the budgets are not ascending, or more than the attacked images.
    """

    norm: str
    budgets: tuple[float, ...]
    attacked: int

    def __post_init__(self) -> None:
        if len(self.budgets) > self.attacked or list(self.budgets) != sorted(self.budgets):
            raise ValueError("a curve takes ascending distances, of attacked images alone")

    def success(self, budget: float) -> float | None:
        """The share of the attacked images broken within ``budget``; None without any."""
        if not self.attacked:
            return None
        return bisect_right(self.budgets, budget) / self.attacked

    def budget_for(self, success: float) -> float | None:
        """The smallest budget at which `success` reaches this share; None where none does."""
        if success <= 0:
            return 0.0
        # The same quotients as in `success`, so that the two agree to the last bit.
        counts = range(1, len(self.budgets) + 1)
        place = bisect_left(counts, success, key=lambda count: count / self.attacked)
        return self.budgets[place] if place < len(self.budgets) else None

    @property
    def steps(self) -> tuple[tuple[float, float], ...]:
        """Each budget at which the success rises, ascending, with the success from there on."""
        ranks = {budget: rank for rank, budget in enumerate(self.budgets, 1)}
        return tuple((budget, rank / self.attacked) for budget, rank in ranks.items())


def security_curve(norm: str, distances: Iterable[float], *, attacked: int) -> SecurityCurve:
    """The curve of the broken images' ``distances``, in any order, among ``attacked`` images."""
    return SecurityCurve(norm, tuple(sorted(distances)), attacked)
