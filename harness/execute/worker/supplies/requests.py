"""What a worker may ask the driver's host for, and how the answers arrive unharmed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from harness.api import Cut, HarnessError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ask = Callable[[Any], Any]
"""`harness.api.Watch.ask`."""

TRIES = 2


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """An image of the run, as the driver's reader reads it, `harness.execute.pixels.packed`."""

    image: str
    size: tuple[int, int]
    cut: Cut | None


@dataclass(frozen=True, slots=True)
class WeightsRequest:
    """A piece of one of a model's weight files, from byte ``start`` on."""

    model: str
    file: int
    start: int


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Saved adversarial examples, (file name, row) each; as many as fit into one answer, or one."""

    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class IntactRequest:
    """Whether a file of saved adversarial examples is as it was written."""

    file: str


Request = ImageRequest | WeightsRequest | RowsRequest | IntactRequest


@dataclass(frozen=True, slots=True)
class Sent:
    """An array on its way; ``sha256``: of its type, shape and bytes."""

    array: NDArray[Any]
    sha256: str

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        return cls(array, _sha256(array))

    @property
    def intact(self) -> bool:
        return _sha256(self.array) == self.sha256


@dataclass(frozen=True, slots=True)
class Refusal:
    """There is no answer, and why."""

    error: HarnessError


def fetched(ask: Ask, request: Request, error: type[HarnessError]) -> NDArray[Any]:
    """The array that ``request`` is about; to be read only.

    Raises:
        error: the driver's host has no answer, or it does not arrive as it was sent. HarnessError:
        `harness.api.Watch.ask`'s own.
    """
    for _ in range(TRIES):
        answer = ask(request)
        if isinstance(answer, Refusal):
            why = answer.error
            raise error(why.what, where=why.where, hint=why.hint)
        if isinstance(answer, Sent) and answer.intact:
            return answer.array
    raise error(
        "what the driver's host sends arrives damaged",
        where=str(request),
        hint="check the network and the memory of both hosts",
    )


def _sha256(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
