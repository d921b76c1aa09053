"""Stored numerics in words: where results of several stand side by side, that is said."""

from __future__ import annotations

import json


def precision(policy: str) -> str:
    """What gradients are computed in, of numerics as they are stored."""
    return str(json.loads(policy)["precision"])


def numerics_note(attack: str, goal: str, policy: str | None) -> list[str]:
    """The line that says it where that is not fp32."""
    if policy is None or precision(policy) == "fp32":
        return []
    return [f"{attack}, goal {goal}: gradients in {precision(policy)}, verdicts in fp32"]
