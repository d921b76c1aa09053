"""The attack with a budget of zero, whatever its parameters call it."""

from __future__ import annotations

from pydantic import ValidationError

from harness.api import AttackParameters
from harness.testing.conformance.rule import NotChecked

TINY = 1e-12
"""Added to a float32 pixel, it changes nothing."""


def with_tiny_budget(attack: AttackParameters) -> AttackParameters:
    """``attack`` with a budget of zero, or of `TINY` where it takes no zero.

    Raises:
        NotChecked: it has no budget, or no parameter of its is the budget.
    """
    if attack.budget is None:
        raise NotChecked("it declares no budget: it minimises the distortion")
    values = attack.model_dump()
    for budget in (0.0, TINY):
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            try:
                found = type(attack)(**{**values, name: budget})
            except (ValidationError, ValueError):
                continue
            if found.budget == budget:
                return found
    raise NotChecked("none of its parameters alone is the budget")
