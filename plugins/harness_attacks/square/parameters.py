"""Square attack (Andriushchenko et al. 2020, arXiv 1912.00049): parameters and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.api import Access, Norm, Passes, Slots, SteppedAttack, Stepper

if TYPE_CHECKING:
    from harness_attacks.square.stepper import Proposals

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Of 10,000 queries: those after which p is halved (the authors' code, and AutoAttack's)."""


class _Square(SteppedAttack):
    """Random search over square changes: a query that lowers the loss is kept (Algorithm 1).

    The loss is the margin, or the cross-entropy of the target class. An image ends with the first
    query that breaks it.
    """

    access: ClassVar[Access] = Access.SCORES
    stochastic: ClassVar[bool] = True

    epsilon: float
    queries: int = Field(5000, ge=1, le=1_000_000, description="most queries of a run")
    restarts: int = Field(1, ge=1, le=100, description="runs, each from a start of its own")
    p_init: float = Field(
        0.8, gt=0, le=1, description="share of the image's area that the first squares have"
    )

    @property
    def budget(self) -> float:
        return self.epsilon

    @property
    def passes(self) -> Passes:
        return Passes(self.queries * self.restarts, 0)

    @property
    def areas(self) -> list[float]:
        """p of each query of a run, the share of the area that its square has (section 3)."""
        shares = [10_000 * max(0, query - 1) // self.queries for query in range(self.queries)]
        return [self.p_init / 2 ** sum(share > each for each in HALVINGS) for share in shares]

    def _stepper(self, slots: Slots, proposals: Proposals) -> Stepper:
        from harness_attacks.square.stepper import SquareStepper

        return SquareStepper(slots, proposals, queries=self.queries, runs=self.restarts)


class SquareLinf(_Square):
    """In linf: stripes at first, then squares of one colour at the ball's face (Algorithm 2)."""

    norm: ClassVar[Norm] = Norm.LINF

    epsilon: float = Field(8 / 255, ge=0, description="radius of the linf ball")

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.square.linf import LinfProposals

        squares = LinfProposals(slots, areas=self.areas, epsilon=self.epsilon)
        return self._stepper(slots, squares)


class SquareL2(_Square):
    """In l2: squares that fade from their centres; one takes another's budget (Alg. 3)."""

    norm: ClassVar[Norm] = Norm.L2

    epsilon: float = Field(0.5, ge=0, description="radius of the l2 ball")

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.square.l2 import L2Proposals

        squares = L2Proposals(slots, areas=self.areas, epsilon=self.epsilon)
        return self._stepper(slots, squares)
