"""What a few passes showed of a model before its work; a record of the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outputs = Literal["logits", "probabilities", "log-probabilities"]

TOLERANCE = 1e-3
"""Largest difference of logits, as a share of the largest one, that rounding explains."""

NUDGE = 1e-4
"""In pixel space; a fortieth of the step between two neighbouring 8-bit values."""


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """What the trial of a model found.

    Attributes:
        images: how many it saw.
        difference: the largest one between the logits of two equal passes, as a share of the
            largest logit.
        outputs: what the model's outputs are.
        nearby: the largest difference, as a share of the largest logit, between the logits of the
            images and of the same ones with `NUDGE` added to or taken from every value.
        gradient_error: how far the gradient of a margin is from difference quotients of the margin,
            as a share of its length; near 0 where it is the function's own, 1 where a part as large
            as itself is missing.
        dynamic: whether its forward pass computes gradients of its own, as a defence does that
            optimises something at test time.

        The last three are None where they are not known: in databases of earlier versions, and the
        error where there is no gradient.
    """

    images: int
    difference: float
    outputs: Outputs
    nearby: float | None = None
    gradient_error: float | None = None
    dynamic: bool | None = None

    @property
    def deterministic(self) -> bool:
        return self.difference <= TOLERANCE
