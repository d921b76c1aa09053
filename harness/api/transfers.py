"""Transfer between models: whom one model's adversarial examples fool besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.api.facts import SuiteAttack
from harness.api.statistics import Range, wilson

Denominator = Literal["paper", "code"]
"""Paper: all attacked images, failed ones too. Code: those whose adapted clean original the target
classifies correctly."""

Border = Literal["white", "grey"]


@dataclass(frozen=True, slots=True)
class Rate:
    """``hits`` of ``images``; ``missing`` more have no usable prediction, or none yet."""

    hits: int
    images: int
    missing: int = 0

    @property
    def value(self) -> float | None:
        return self.hits / self.images if self.images else None

    @property
    def interval(self) -> Range | None:
        return wilson(self.hits, self.images)


@dataclass(frozen=True, slots=True)
class TransferCell:
    """One source on one target.

    Attributes:
        rate: untargeted: wrong predictions; targeted: the target class among the first k.
        clean_error: wrong predictions on the adapted clean originals of the attacked images.
    """

    source: str
    target: str
    rate: Rate
    clean_error: Rate


Pairs = Mapping[tuple[str, str], TransferCell]


@dataclass(frozen=True, slots=True)
class TransferMatrix:
    """The transfer matrix of a panel.

    Attributes:
        models: rows and columns, members of a family side by side.
        families: of each model; None where unknown.
        cells: by (source, target); pairs without any transfer are absent.
        notes: what was chosen by default, or is missing.
    """

    suite: str
    attack: SuiteAttack
    goal: str
    k: int
    denominator: Denominator
    border: Border
    models: tuple[str, ...]
    families: Mapping[str, str | None]
    cells: Pairs
    notes: tuple[str, ...]
