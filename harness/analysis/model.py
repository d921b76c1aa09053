"""What is known about a model of a database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    """What is known about a model; None where it is not.

    Attributes:
        pixels: height times width of its input.
        published: its published top-1 accuracy, in [0, 1].
    """

    name: str
    family: str | None = None
    parameters: int | None = None
    layers: int | None = None
    pixels: int | None = None
    published: float | None = None

    @classmethod
    def of(cls, name: str, about: Mapping[str, Any]) -> Model:
        """The model that a stored description is of."""
        percent = (about.get("published") or {}).get("top1")
        shape = about.get("shape")
        return cls(
            name=name,
            family=about.get("family"),
            parameters=about.get("parameters"),
            layers=about.get("layers"),
            pixels=math.prod(shape[-2:]) if shape else None,
            published=None if percent is None else percent / 100,
        )
