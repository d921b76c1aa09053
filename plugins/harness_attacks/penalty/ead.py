"""The elastic-net attack (Chen et al. 2018), as used by Su et al. 2018: parameters and presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Passes, Slots, Stepper
from harness_attacks.penalty.parameters import MinimumNorm


class EAD(MinimumNorm):
    """min const * f(x) + ||x - x0||_2^2 + beta * ||x - x0||_1 over [0, 1], with FISTA."""

    norm: ClassVar[Norm] = Norm.L1
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "survey-code": {},
        "ead-original": {"beta": 1e-2, "initial_const": 1e-3, "abort_early": False},
    }

    learning_rate: float = Field(
        1e-2, gt=0, description="the first step size; it falls to 0 with the square root"
    )
    beta: float = Field(1e-3, ge=0, description="the weight of l1, and the shrinkage threshold")
    first_k: Literal[0, 1] = Field(
        1, description="k of the momentum k / (k + 3) at the first iteration; some ports take 0"
    )
    decision_rule: Literal["l1", "en"] = Field(
        "l1", description="which success is the best: smallest l1, or l2^2 + beta * l1"
    )
    lazy_margin: float | None = Field(
        None,
        ge=0,
        description="while a binary-search step has found nothing, do not try iterates whose "
        "momentum point lacks more than this many logits of margin (none: try all)",
    )

    @property
    def passes(self) -> Passes:
        """A second forward in every iteration, which few images need."""
        rounds = self.iterations * self.search_steps
        return Passes(2 * rounds, rounds)

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.penalty.ead_stepper import EADStepper

        return EADStepper(
            slots,
            self,
            rate=self.learning_rate,
            beta=self.beta,
            rule=self.decision_rule,
            lazy_margin=self.lazy_margin,
            first_k=self.first_k,
        )
