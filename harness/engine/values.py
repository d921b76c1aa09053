"""What plugins return, checked where it enters: a wrong type or shape is one line that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from harness.api import Again, Candidates, Later, MeasurementResult, PluginError, Point


def checked_candidates(value: object, rows: int, shape: Sequence[int]) -> Candidates:
    """What an attack returned for ``rows`` images of ``shape``, as `Candidates` of our own.

    They are copies, of no class of the plugin's: it may keep what it returned and write into it, on
    a thread or at its next call.

    Raises:
        PluginError: it is something else.
    """
    if isinstance(value, Tensor):
        value = Candidates(value)
    if not isinstance(value, Candidates):
        raise PluginError(f"the attack returned {_kind(value)}, not Candidates or a tensor")
    images, wanted = _own(value.images), (rows, *shape)
    if not _plain(images) or images.shape != wanted:
        raise PluginError(f"the attack returned {_kind(images)} for images of {wanted}")
    if not images.is_floating_point():
        raise PluginError(f"the attack returned {_kind(images)}; candidates are float32 in [0, 1]")
    if not isinstance(value.numbers, Mapping):
        raise PluginError(f"the attack's numbers are {_kind(value.numbers)}, not a mapping")
    own = {name: _own(numbers) for name, numbers in value.numbers.items()}
    for name, numbers in own.items():
        if not isinstance(name, str):
            raise PluginError(f"the name of one of the attack's numbers is {_kind(name)}")
        if not _plain(numbers) or numbers.shape != (rows,) or numbers.is_complex():
            raise PluginError(
                f"the attack's number {name!r} is {_kind(numbers)},"
                f" not a real tensor of one for each of {rows} images"
            )
    return Candidates(images, own)


def _own(value: Any) -> Any:
    """A copy of a tensor, of torch's own class: a subclass may answer whatever it likes.

    Raises:
        PluginError: it computes its values itself, so that there is nothing to copy.
    """
    if not isinstance(value, Tensor):
        return value
    kind = type(value)
    if kind is Tensor:
        return value.detach().clone()
    if kind.__torch_dispatch__ is Tensor.__torch_dispatch__:
        with torch._C.DisableTorchFunctionSubclass():
            return value.detach().as_subclass(Tensor).clone()
    if not kind.__module__.startswith("torch."):
        raise PluginError(f"the attack returned {kind.__name__}, which is no plain tensor")
    return value.detach().clone()


def checked_point(value: object, slots: int, shape: Sequence[int], device: torch.device) -> Point:
    """Where a stepped attack wants the model evaluated; looks at no values.

    Raises:
        PluginError: it is nowhere that the model could be evaluated.
    """
    if not isinstance(value, Point):
        raise PluginError(f"the attack's point() returned {_kind(value)}, not a Point")
    rows = slots if value.rows is None else len(value.rows)
    checked_images(value.images, "the attack", shape, device=device, rows=rows)
    return value


def checked_again(value: object, point: Point, logits: Tensor) -> Again | None:
    """The further backward pass that a step at ``point`` asked for; looks at no values.

    Raises:
        PluginError: it is something else, or the point did not announce it.
    """
    if value is None:
        return None
    if not isinstance(value, Again):
        raise PluginError(f"the attack's step() returned {_kind(value)}, not Again or None")
    if not point.again:
        raise PluginError(
            "the attack's step() asks for another gradient, which its point does not announce:"
            " Point(..., again=True)"
        )
    _like(value.cotangent, "cotangent", logits.shape, logits)
    if value.asking is not None:
        _like(value.asking, "asking", logits.shape[:1], logits.new_empty(0, dtype=torch.bool))
    return value


def _like(value: object, name: str, shape: Sequence[int], other: Tensor) -> None:
    """That ``value`` is a tensor of ``shape``, of the other one's type and on its device."""
    if (
        not _plain(value)
        or value.shape != tuple(shape)
        or value.dtype is not other.dtype
        or value.device.type != other.device.type
    ):
        dtype = str(other.dtype).removeprefix("torch.")
        raise PluginError(
            f"the attack asks for another gradient with {name} {_kind(value)};"
            f" it is a tensor {dtype} {tuple(shape)} on {other.device}"
        )


def checked_images(
    images: object,
    who: str,
    shape: Sequence[int],
    *,
    device: torch.device | None = None,
    rows: int | None = None,
) -> Tensor:
    """Images that ``who`` wants to show to the model; looks at no values.

    Raises:
        PluginError: the model takes no such thing.
    """
    if (
        not _plain(images)
        or images.dtype != torch.float32
        or images.shape[1:] != tuple(shape)
        or rows not in (None, len(images))
        or (device is not None and device.type != images.device.type)
    ):
        size = ", ".join(map(str, ("n" if rows is None else rows, *shape)))
        place = "" if device is None else f" on {device}"
        raise PluginError(
            f"{who} shows the model {_kind(images)}; it takes float32 ({size}){place}"
        )
    return images


def checked_results(value: object, images: int) -> Sequence[MeasurementResult | Later]:
    """What a measurement returned for several images.

    Raises:
        PluginError: it is no sequence of one `MeasurementResult` or `Later` for each.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != images:
        raise PluginError(f"the measurement returned {_kind(value)} for {images} images")
    return [checked_result(each) for each in value]


def checked_result(value: object) -> MeasurementResult | Later:
    """What a measurement returned for an image; numbers are floats, arrays float32 from now on.

    Raises:
        PluginError: it is something else.
    """
    if isinstance(value, Later):
        if not callable(value.function) or not isinstance(value.arguments, tuple):
            raise PluginError("the measurement's Later is not a function and a tuple of arguments")
        return value
    if not isinstance(value, MeasurementResult):
        raise PluginError(f"the measurement returned {_kind(value)}, not a MeasurementResult")
    for field in (value.numbers, value.arrays):
        if not isinstance(field, Mapping) or not all(isinstance(name, str) for name in field):
            raise PluginError("the measurement's numbers and arrays are not mappings with names")
    if value.problem is not None and not isinstance(value.problem, str):
        raise PluginError(f"the measurement's problem is {_kind(value.problem)}, not a line")
    return MeasurementResult(
        {name: _number(name, number) for name, number in value.numbers.items()},
        {name: _array(name, array) for name, array in value.arrays.items()},
        value.problem,
    )


def _number(name: str, value: Any) -> float:
    if isinstance(value, str | bytes):
        raise PluginError(f"the measurement's number {name!r} is {_kind(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise PluginError(
            f"the measurement's number {name!r} is {_kind(value)}: {error}"
        ) from error


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except Exception as error:
        raise PluginError(f"the measurement's array {name!r} is {_kind(value)}: {error}") from error
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise PluginError(
            f"the measurement's array {name!r} is {array.dtype} {array.shape}, not float32 (n,)"
        )
    return array.astype(np.float32)


def _plain(value: object) -> TypeGuard[Tensor]:
    """Whether it is a tensor with values, a row after the other."""
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta


def _kind(value: object) -> str:
    """A value in few words: what it is, not what it says."""
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"a tensor {dtype} {tuple(value.shape)} on {value.device}"
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {value.shape}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
