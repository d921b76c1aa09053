"""Carlini & Wagner's l2 attack (2017), as used by Su et al. 2018: parameters and presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Passes, Slots, Stepper
from harness_attacks.penalty.parameters import MinimumNorm


class CW(MinimumNorm):
    """min const * f(x) + ||x - x0||_2^2 over x = (tanh(w) + 1) / 2, with Adam on w."""

    norm: ClassVar[Norm] = Norm.L2
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "survey-code": {"learning_rate": 2e-3, "warm_start": True},
        "carlini": {
            "learning_rate": 1e-2,
            "iterations": 10_000,
            "initial_const": 1e-3,
            "adam_epsilon": "outside",
        },
        "fast": {
            "learning_rate": 1e-2,
            "iterations": 50,
            "initial_const": 0.1,
            "warm_start": True,
            "adam_epsilon": "outside",
        },
    }

    learning_rate: float = Field(2e-3, gt=0, description="Adam's step size")
    warm_start: bool = Field(
        False, description="keep the perturbation between binary-search steps (Adam starts anew)"
    )
    adam_epsilon: Literal["inside", "outside"] = Field(
        "inside",
        description="where Adam adds 1e-8: inside the root, before the bias correction, which "
        "shortens steps along small gradients (the survey's code), or outside (everybody else's)",
    )

    @property
    def passes(self) -> Passes:
        rounds = self.iterations * self.search_steps
        return Passes(rounds, rounds)

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.penalty.cw_stepper import CWStepper

        return CWStepper(
            slots,
            self,
            rate=self.learning_rate,
            warm_start=self.warm_start,
            epsilon_inside=self.adam_epsilon == "inside",
        )
