"""What attacks that try target classes one after the other let a suite choose of their order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Order = Annotated[
    Literal["malt", "logits"],
    Field(
        description="which target classes are tried first: those nearest by margin over gradient "
        "norm (MALT), or with the largest clean logits, as the original AutoAttack does"
    ),
]
Candidates = Annotated[
    int, Field(ge=1, description="the classes with the largest clean logits that MALT ranks")
]
