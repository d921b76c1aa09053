"""What a database knows of the models and attacks that its results are of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known about a model; None where it is not.

    Attributes:
        training: its training regime, such as ``standard`` or ``adversarial``; None also of models
            that were stored before it was.
        pixels: height times width of its input.
        published: its published top-1 accuracy, in [0, 1].
        seed_of: the model that it is another training seed of.
    """

    name: str
    family: str | None = None
    parameters: int | None = None
    layers: int | None = None
    pixels: int | None = None
    published: float | None = None
    training: str | None = None
    seed_of: str | None = None

    @classmethod
    def of(cls, name: str, about: Mapping[str, Any]) -> ModelFacts:
        """The model that a stored description is of."""
        percent = (about.get("published") or {}).get("top1")
        shape, regime = about.get("shape"), about.get("training")
        return cls(
            name=name,
            family=about.get("family"),
            parameters=about.get("parameters"),
            layers=about.get("layers"),
            pixels=math.prod(shape[-2:]) if shape else None,
            published=None if percent is None else percent / 100,
            training=None if regime == "unknown" else regime,
            seed_of=about.get("seed_of"),
        )


@dataclass(frozen=True, slots=True)
class SuiteAttack:
    """An attack of a suite, as its definition or its stored cells describe it.

    Attributes:
        budget: the declared epsilon; None: it minimises the distortion.
        parameters: all of them, where cells are stored; else those that are not their defaults.
        ad_hoc: whether commands named it, and the suite never did.
        members: of several attacks taken together, these; without a norm where they have several.
    """

    name: str
    label: str
    norm: str
    budget: float | None
    goals: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict, compare=False)
    ad_hoc: bool = False
    members: tuple[SuiteAttack, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether the question is what it breaks within a budget, and not how near."""
        return self.budget is not None or any(each.fixed for each in self.members)
