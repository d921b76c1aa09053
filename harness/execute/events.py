"""What a worker yields while it works on a shard: frozen, picklable, without database ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.api import CleanPrediction, Measured, Outcome
from harness.api.trial import ModelTrial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tried:
    """The shard's model was loaded and tried."""

    trial: ModelTrial


@dataclass(frozen=True, slots=True)
class Began:
    """The model is ready: the work begins, with batches of this size.

    Attributes:
        resident: the models in the worker's memory.
    """

    batch_size: int
    resident: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """The model cannot be loaded, or not be measured: nothing of the shard is done."""

    error: str


@dataclass(frozen=True, slots=True)
class Beat:
    """The work goes well."""


@dataclass(frozen=True, slots=True)
class Halved:
    """The device was out of memory: batches have this size now."""

    batch_size: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Something other than a single image failed; what has not been yielded may be missing."""

    error: str


@dataclass(frozen=True, slots=True)
class Predicted:
    """Clean predictions."""

    rows: Sequence[CleanPrediction]


@dataclass(frozen=True, slots=True)
class Attacked:
    """Outcomes of a cell.

    Attributes:
        faults: images whose error is the attack's, not the model's or the reader's.
        saved: images whose candidates are to be saved, float32 (n, channels, height, width).
    """

    cell: str
    rows: Sequence[Outcome]
    faults: frozenset[str] = frozenset()
    saved: Sequence[str] = ()
    candidates: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """Measured images of a cell; see `Attacked`."""

    cell: str
    rows: Sequence[Measured]
    faults: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SetSeen:
    """The model's predictions of some rows of one of the shard's sets, and its goals' ranks."""

    number: int
    rows: Sequence[int]
    predicted: Sequence[int | None]
    ranks: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class CleanSeen:
    """The model's predictions of some clean images of another size; see `SetSeen`."""

    number: int
    rows: Sequence[int]
    predicted: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Noted:
    """What the user should know about the worker's host; its other workers may say the same."""

    text: str


Event = (
    Noted | Tried | Began | Unusable | Beat | Halved | Failed
    | Predicted | Attacked | MeasuredRows | SetSeen | CleanSeen
)  # fmt: skip
