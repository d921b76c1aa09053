"""APGD (Croce & Hein 2020; in l1 Croce & Hein 2021): parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Passes, Slots, Stepper
from harness_attacks.ascent.parameters import Ascent
from harness_attacks.orders import Candidates, Order

if TYPE_CHECKING:
    from harness_attacks.targets import Targets


class APGD(Ascent):
    """PGD with momentum and a step size that halves where the loss stops rising.

    With targeted DLR an untargeted image tries several target classes, one after the other; one
    with a target of its own has that one alone.

    The result is the first point that reaches the goal, or the one with the highest loss of all.
    """

    loss: Literal["ce", "dlr", "targeted-dlr"] = Field(
        "ce",
        description="cross-entropy, the difference of logits ratio, or that of target classes",
    )
    target_classes: int = Field(
        9, ge=1, description="how many classes targeted-dlr tries, of few classes all others"
    )
    targets: Order = "malt"
    candidates: Candidates = 100

    @property
    def runs(self) -> int:
        return self.restarts * (self.target_classes if self.loss == "targeted-dlr" else 1)

    @property
    def passes(self) -> Passes:
        """Targets are ordered by a look at the original, and MALT's by a gradient a candidate."""
        ascents = super().passes
        if self.loss != "targeted-dlr":
            return ascents
        ranked = max(self.candidates, self.target_classes) if self.targets == "malt" else 0
        return Passes(ascents.forwards + 1, ascents.backwards + ranked)

    def _targets(self, slots: Slots) -> Targets | None:
        if self.loss != "targeted-dlr":
            return None
        from harness_attacks.targets import Targets

        ranked = self.candidates if self.targets == "malt" else None
        return Targets(slots, self.norm, self.target_classes, ranked)


class APGDMomentum(APGD):
    """Croce & Hein 2020, algorithm 1."""

    momentum: float = Field(
        0.75, gt=0, le=1, description="alpha: the share of a step that is new, not the last one's"
    )
    rho: float = Field(
        0.75, ge=0, le=1, description="the share of steps that have to raise the loss"
    )

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.ascent.apgd_stepper import APGDStepper
        from harness_attacks.ascent.ball import BALLS

        return APGDStepper(
            slots,
            self,
            BALLS[self.norm](slots, self.epsilon),
            loss=self.loss,
            targets=self._targets(slots),
            momentum=self.momentum,
            rho=self.rho,
        )


class APGDLinf(APGDMomentum):
    """Steps of the gradient's sign."""

    norm: ClassVar[Norm] = Norm.LINF
    epsilon: float = Field(8 / 255, gt=0, description="radius of the linf ball")


class APGDL2(APGDMomentum):
    """Steps along the gradient."""

    norm: ClassVar[Norm] = Norm.L2
    epsilon: float = Field(0.5, gt=0, description="radius of the l2 ball")


class APGDL1(APGD):
    """Croce & Hein 2021, section 3: sparse steps, as sparse as the best point so far."""

    norm: ClassVar[Norm] = Norm.L1
    epsilon: float = Field(12.0, gt=0, description="radius of the l1 ball")
    larger_first: bool = Field(
        True,
        description="begin in balls three and two times as large, for 3/10 of the steps each",
    )

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.ascent.apgd_l1_stepper import APGDL1Stepper
        from harness_attacks.ascent.ball import L1Ball

        return APGDL1Stepper(
            slots,
            self,
            L1Ball(slots, self.epsilon),
            loss=self.loss,
            targets=self._targets(slots),
            larger_first=self.larger_first,
        )
