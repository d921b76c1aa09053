"""Projected gradient descent (Madry et al. 2018) in linf, l2 and l1: parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Slots, Stepper
from harness_attacks.ascent.parameters import Ascent

if TYPE_CHECKING:
    from harness_attacks.ascent.ball import Ball


class _PGD(Ascent):
    """x := P(x + a * steepest ascent of the loss), P onto the ball and the box.

    The result is the first point that reaches the goal, or the one with the highest loss of all.
    """

    loss: Literal["ce", "dlr"] = Field(
        "ce", description="cross-entropy, or the difference of logits ratio of Croce & Hein 2020"
    )
    relative_step: float | None = Field(
        None, gt=0, le=2, description="the size of a step over epsilon (none: 2.5 / steps, Madry's)"
    )
    random_start: bool = Field(True, description="start at a random point of the ball")

    @property
    def draws(self) -> bool:
        return self.random_start

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.ascent.pgd_stepper import PGDStepper

        share = 2.5 / self.steps if self.relative_step is None else self.relative_step
        return PGDStepper(
            slots,
            self,
            self._ball(slots),
            loss=self.loss,
            size=share * self.epsilon,
            random=self.random_start,
        )

    def _ball(self, slots: Slots) -> Ball:
        from harness_attacks.ascent.ball import BALLS

        return BALLS[self.norm](slots, self.epsilon)


class PGDLinf(_PGD):
    """Steps of the gradient's sign."""

    norm: ClassVar[Norm] = Norm.LINF
    epsilon: float = Field(8 / 255, gt=0, description="radius of the linf ball")


class PGDL2(_PGD):
    """Steps along the gradient."""

    norm: ClassVar[Norm] = Norm.L2
    epsilon: float = Field(0.5, gt=0, description="radius of the l2 ball")


class PGDL1(_PGD):
    """Equal steps of the values with the largest gradient (SLIDE, Tramer & Boneh 2019)."""

    norm: ClassVar[Norm] = Norm.L1
    epsilon: float = Field(12.0, gt=0, description="radius of the l1 ball")
    sparsity: float = Field(
        0.01, gt=0, le=1, description="the share of an image's values that a step changes"
    )

    def _ball(self, slots: Slots) -> Ball:
        from harness_attacks.ascent.ball import L1Ball

        return L1Ball(slots, self.epsilon, self.sparsity)
