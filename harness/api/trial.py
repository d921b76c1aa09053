"""What a few passes showed of a model before its work; a record of the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outputs = Literal["logits", "probabilities", "log-probabilities"]

TOLERANCE = 1e-3
"""Largest difference of logits, as a share of the largest one, that rounding explains."""


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """What the trial of a model found.

    Attributes:
        images: how many it saw.
        difference: the largest one between the logits of two equal passes, as a share of the
            largest logit.
        outputs: what the model's outputs are.
    """

    images: int
    difference: float
    outputs: Outputs

    @property
    def deterministic(self) -> bool:
        return self.difference <= TOLERANCE
