"""FGSM and I-FGSM (Su et al. 2018, section 3.1): parameters and defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Passes, Slots, SteppedAttack, Stepper

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

    def _stepper(self, slots: Slots, steps: int, relative_step: float | None = None) -> Stepper:
        from harness_attacks.sign_gradient import SignGradientStepper

        search = self.epsilon == "search"
        return SignGradientStepper(
            slots,
            steps=steps,
            relative_step=relative_step,
            attempts=self.attempts if search else 1,
            epsilon=self.initial_epsilon if self.epsilon == "search" else self.epsilon,
            search=search,
            loss=self.loss,
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
    """Iterative FGSM: T steps of epsilon / T, without a random start."""

    epsilon: Epsilon = Field("search", description=EPSILON)
    steps: int = Field(50, ge=1, description="T, the steps of one attempt")
    relative_step: float | None = Field(
        None, gt=0, le=2, description="the size of a step over epsilon (none: 1 / T, the paper's)"
    )

    @property
    def passes(self) -> Passes:
        return self._passes(self.steps)

    def stepper(self, slots: Slots) -> Stepper:
        return self._stepper(slots, steps=self.steps, relative_step=self.relative_step)
