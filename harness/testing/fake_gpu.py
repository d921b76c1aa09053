"""A GPU for machines without one: what computes on it is checked as on a real one.

Built on torch's FakeTensorMode, which knows each tensor's device and refuses operations on several.
Every tensor of the fake GPU also has its values, on the host: work goes its true way, and comes to
the results of a CPU. What would make the host wait for a real GPU is written down, with its place.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import Node
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from harness.api import host
from harness.engine import device as engine_device
from harness.engine.classifier import PixelClassifier

Kind = Literal["look", "glance", "hidden look", "waiting upload"]

_ATEN = torch.ops.aten
_TORCH = str(Path(torch.__file__).parent)
_LOOKS = {host.__file__, engine_device.__file__}
"""The files whose reads of the device are the declared looks."""


class HiddenLook(RuntimeError):
    """The host reads values of the fake GPU elsewhere than through `harness.api.look`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One time that the host waits for the device, or would have to.

    Attributes:
        kind: a declared ``look``; a ``glance`` at what older work left, for which it does not wait
            (`harness.engine.device.Glance`); a ``hidden look``, which is an error; or a ``waiting
            upload``, a copy to the device that is not ``non_blocking``.
        reason: torch's operation.
        where: file, line and function of the code that does it.
        within: the functions that were under way, the innermost first.
    """

    kind: Kind
    reason: str
    where: str
    within: tuple[str, ...]


class FakeGPU(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The mode; `fake_gpu` makes it.

    Attributes:
        device: ``cuda:0``.
        waits: every time that the host would have waited, in order.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = torch.device("cuda", 0)
        self.waits: list[Wait] = []

    def hold(self, model: PixelClassifier) -> PixelClassifier:
        """``model``, from now on, with its weights and buffers, on the fake GPU."""
        for root in model.networks:
            for module in root.modules():
                _move(module._parameters, lambda part: nn.Parameter(self._up(part), False))
                _move(module._buffers, self._up)
        model.device = self.device
        return model

    def values(self, tensor: Tensor) -> Tensor:
        """What ``tensor`` holds, for a test to compare; no look of the host's."""
        found: Tensor = _twin(tensor)
        return found

    def _up(self, tensor: Tensor) -> Tensor:
        return tensor.detach().to(self.device, non_blocking=True)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func.namespace == "prim":
            return func(*args, **kwargs)
        if func.namespace == "aten" and func._can_decompose():
            with self:  # what torch does not take apart itself in inference mode
                return func.decompose(*args, **kwargs)
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        here = any(isinstance(each, FakeTensor) for each in tensors)
        made = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda"
        if not here and not made:
            return _hosted(func, args, kwargs)
        if here and _goes_down(func, args, kwargs):
            self._look(func, args)
            return _hosted(func, *_twins(args, kwargs))
        if _waits_for_upload(func, args, kwargs, tensors):
            self._note("waiting upload", func)
        if _hides_a_look(func, args):
            self._note("hidden look", func)
            raise HiddenLook(f"{func} waits for the device at {self.waits[-1].where}")
        try:
            found = func(*args, **kwargs)  # FakeTensorMode's: devices, shapes
        except torch._subclasses.fake_tensor.UnsupportedFakeTensorException:
            self._note("hidden look", func)
            raise
        except RuntimeError as error:
            if "DataDependent" in type(error).__name__ or "Dynamic" in type(error).__name__:
                self._note("hidden look", func)
            raise
        own = dict(kwargs, device="cpu") if made else kwargs
        _attach(found, _hosted(func, *_twins(args, own)))
        return found

    def _look(self, func: Any, args: Any) -> None:
        declared = any(frame.f_code.co_filename in _LOOKS for frame in _frames())
        ahead = func is _ATEN.copy_.default and len(args) > 2 and args[2]
        self._note(("glance" if ahead else "look") if declared else "hidden look", func)
        if not declared:
            raise HiddenLook(
                f"{func} copies to the host at {self.waits[-1].where}: use harness.api.look"
            )

    def _note(self, kind: Kind, func: Any) -> None:
        frames = [each for each in _frames() if each.f_code.co_filename not in _LOOKS]
        code, line = frames[0].f_code, frames[0].f_lineno
        where = f"{'/'.join(Path(code.co_filename).parts[-2:])}:{line} {code.co_name}"
        within = tuple(each.f_code.co_qualname for each in frames)
        self.waits.append(Wait(kind, str(func), where, within))


@contextmanager
def fake_gpu() -> Iterator[FakeGPU]:
    """A fake GPU, ``cuda:0``, while the context lasts.

    Tensors that are made on it or moved to it are fake; others are as ever.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
        for name in ("Event", "current_stream", "synchronize", "empty_cache"):
            stack.enter_context(patch.object(torch.cuda, name, _nothing))
        stack.enter_context(patch.object(torch.autograd, "grad", grad))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(FakeGPU())


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    retain_graph: bool | None = None,
) -> tuple[Tensor | None, ...]:
    """`torch.autograd.grad`: torch's own engine asks the driver of a GPU for its threads."""
    outputs, inputs = ([x] if isinstance(x, Tensor) else list(x) for x in (outputs, inputs))
    given = [grad_outputs] if isinstance(grad_outputs, Tensor) else grad_outputs
    with torch.no_grad():
        starts = [torch.ones_like(each) for each in outputs] if given is None else list(given)
        wanted = [_edge(each) for each in inputs]
        found = _walked([(_edge(out), start) for out, start in zip(outputs, starts, strict=True)])
    return tuple(found.get(edge) for edge in wanted)


_Edge = tuple[Node, int]


def _edge(tensor: Tensor) -> _Edge:
    edge = torch.autograd.graph.get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def _walked(starts: list[tuple[_Edge, Tensor]]) -> dict[_Edge, Tensor]:
    """The gradient that comes to each edge, from the ``starts`` on."""
    coming: dict[_Edge, Tensor] = {}
    for edge, gradient in starts:
        coming[edge] = coming[edge] + gradient if edge in coming else gradient
    for node in _ordered([edge[0] for edge, _ in starts]):
        if not node.next_functions:  # a leaf
            continue
        many = max([at for own, at in coming if own is node], default=-1) + 1
        run: Any = getattr(node, "apply", node)  # a `torch.autograd.Function`'s, or torch's own
        found = run(*(coming.get((node, at)) for at in range(many)))
        parts = found if isinstance(found, tuple) else (found,)
        if len(parts) > len(node.next_functions):  # arguments of a `Function` that are no tensors
            parts = tuple(part for part in parts if part is not None)
        for (following, at), part in zip(node.next_functions, parts, strict=True):
            if following is not None and part is not None:
                meant = following._input_metadata[
                    at
                ]  # what was broadcast is summed up by the engine
                part = part.sum_to_size(meant.shape).to(meant.dtype)
                edge = following, at
                coming[edge] = coming[edge] + part if edge in coming else part
    return coming


def _ordered(roots: list[Node]) -> list[Node]:
    """Every node behind ``roots``, after all that lead to it."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(each, False) for each, _ in node.next_functions if each is not None]
    return order[::-1]


class _Idle:
    """Events and streams of a device that has always finished."""

    def record(self, stream: object = None) -> None: ...

    def synchronize(self) -> None: ...


def _nothing(*arguments: object, **options: object) -> _Idle:
    return _Idle()


def _frames() -> Iterator[FrameType]:
    """The calls under way that are neither torch's nor this file's, the innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith(_TORCH):
            yield frame
        frame = frame.f_back


def _hosted(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on the host, where there is nothing to pin memory for."""
    if func in (_ATEN._pin_memory.default, _ATEN.pin_memory.default):
        return args[0]
    if kwargs.get("pin_memory"):
        kwargs = {**kwargs, "pin_memory": False}
    with _disable_current_modes():
        return func(*args, **kwargs)


def _goes_down(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    if func is _ATEN.copy_.default:
        return not isinstance(args[0], FakeTensor)
    return func is _ATEN._to_copy.default and _to(kwargs) == "cpu"


def _to(kwargs: Mapping[str, Any]) -> str | None:
    device = kwargs.get("device")
    return None if device is None else torch.device(device).type


def _waits_for_upload(func: Any, args: Any, kwargs: dict[str, Any], tensors: list[Tensor]) -> bool:
    """Copies to the device that wait, and index tensors on the host, which are copied."""
    if func is _ATEN.copy_.default and not isinstance(args[1], FakeTensor):
        return args[1].ndim > 0 and not (len(args) > 2 and args[2])
    if func is _ATEN._to_copy.default and not isinstance(args[0], FakeTensor):
        return not kwargs.get("non_blocking")
    if func in _INDEXED:
        return any(
            not isinstance(each, FakeTensor) for each in tree_leaves(args[1]) if each is not None
        )
    return False


_INDEXED = (
    _ATEN.index.Tensor,
    _ATEN.index_put.default,
    _ATEN.index_put_.default,
    _ATEN._index_put_impl_.default,
)


def _hides_a_look(func: Any, args: Any) -> bool:
    """Where FakeTensorMode sees none: a mask as an index is counted first, `equal` is an answer."""
    if func is _ATEN.equal.default:
        return True
    masks = list(tree_leaves(args[1])) if func in _INDEXED[1:] else []
    return any(
        isinstance(each, Tensor) and each.dtype in (torch.bool, torch.uint8) for each in masks
    )


def _twin(value: Any) -> Any:
    return value._twin if isinstance(value, FakeTensor) else value  # type: ignore[attr-defined]


def _twins(args: Any, kwargs: Any) -> tuple[Any, Any]:
    found: tuple[Any, Any] = tree_map(_twin, (args, kwargs))
    return found


def _attach(fakes: Any, values: Any) -> None:
    for fake, value in zip(tree_leaves(fakes), tree_leaves(values), strict=True):
        if isinstance(fake, FakeTensor):
            fake._twin = value  # type: ignore[attr-defined]


def _move(parts: dict[str, Any], move: Callable[[Tensor], Tensor]) -> None:
    for name, part in parts.items():
        if part is not None:
            parts[name] = move(part)
