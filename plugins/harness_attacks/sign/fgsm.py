"""FGSM and I-FGSM (Su et al. 2018, section 3.1): parameters and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Passes, Slots, SteppedAttack, Stepper

if TYPE_CHECKING:
    from harness_attacks.sign.diversity import Diversity

Epsilon = Annotated[float, Field(gt=0)] | Literal["search"]
EPSILON = "radius of the linf ball, or 'search' for each image's smallest one"


class _SignGradient(SteppedAttack):
    """x := clip(x + (epsilon / T) * sign(gradient)), T times, within the epsilon ball."""

    norm: ClassVar[Norm] = Norm.LINF

    loss: Literal["cross-entropy", "logit"] = Field(
        "cross-entropy",
        description="the loss whose gradient's sign is followed; the released code uses the logit",
    )
    epsilon: Epsilon
    attempts: int = Field(9, ge=1, le=60, description="attempts of the search")
    initial_epsilon: float = Field(0.02, gt=0, description="where the search starts")

    @property
    def budget(self) -> float | None:
        return None if self.epsilon == "search" else self.epsilon

    def _passes(self, steps: int) -> Passes:
        """All attempts of a search share the clean image's gradient; each ends with a verdict."""
        if self.epsilon != "search":
            return Passes(steps, steps)
        return Passes(self.attempts * steps + 1, self.attempts * (steps - 1) + 1)

    def _stepper(
        self,
        slots: Slots,
        steps: int,
        relative_step: float | None = None,
        momentum: float = 0.0,
        diversity: Diversity | None = None,
    ) -> Stepper:
        from harness_attacks.sign.sign_gradient import SignGradientStepper

        return SignGradientStepper(
            slots,
            steps=steps,
            relative_step=relative_step,
            epsilon=self.initial_epsilon if self.epsilon == "search" else self.epsilon,
            search=self.attempts if self.epsilon == "search" else None,
            loss=self.loss,
            momentum=momentum,
            diversity=diversity,
        )


class FGSM(_SignGradient):
    """The fast gradient sign method: one step of epsilon."""

    epsilon: Epsilon = Field(0.3, description=EPSILON)

    @property
    def passes(self) -> Passes:
        return self._passes(1)

    def stepper(self, slots: Slots) -> Stepper:
        return self._stepper(slots, steps=1)


class IFGSM(_SignGradient):
    """Iterative FGSM: T steps of epsilon / T, without a random start.

    With `momentum` it is MI-FGSM (Dong et al. 2018, arXiv 1710.06081), with `input_diversity`
    DI-FGSM (Xie et al. 2019, arXiv 1803.06978); both transfer better to other models. What the
    latter draws is the same in all attempts of a search.
    """

    epsilon: Epsilon = Field("search", description=EPSILON)
    steps: int = Field(50, ge=1, description="T, the steps of one attempt")
    relative_step: float | None = Field(
        None, gt=0, le=2, description="the size of a step over epsilon (none: 1 / T, the paper's)"
    )
    momentum: float = Field(
        0.0, ge=0, le=2, description="decay of the sum of gradients of l1 norm 1 (MI-FGSM: 1.0)"
    )
    input_diversity: float = Field(
        0.0, ge=0, le=1, description="how likely a step sees a changed image (DI-FGSM: 0.7)"
    )
    resize_rate: float = Field(
        0.9, gt=0, le=1, description="the share of its height that a changed image keeps at least"
    )

    @property
    def passes(self) -> Passes:
        return self._passes(self.steps)

    @property
    def draws(self) -> bool:
        return self.input_diversity > 0

    def stepper(self, slots: Slots) -> Stepper:
        return self._stepper(
            slots, self.steps, self.relative_step, self.momentum, self._diversity(slots)
        )

    def _diversity(self, slots: Slots) -> Diversity | None:
        if not self.input_diversity:
            return None
        from harness_attacks.sign.diversity import Diversity

        return Diversity(slots, probability=self.input_diversity, smallest=self.resize_rate)
