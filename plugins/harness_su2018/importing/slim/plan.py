"""What a network of ours computes, operation by operation, for TensorFlow to compute it too.

torch.fx follows the network; `harness_su2018.importing.slim.operations` does the same with
TensorFlow's own SAME padding and the checkpoint's own layouts. A kernel or an epsilon that was
misread, a norm under another's name or a row of zeros on the wrong side show in the logits.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from harness.api import ModelError
from harness_models.mobilenet_v1 import ConvLayer
from harness_slim import layers

SAME, VALID = "SAME", "VALID"
Options = dict[str, Any]
Made = tuple[str, Options]


@dataclass(frozen=True, slots=True)
class Operation:
    """One step.

    Attributes:
        name: of its result.
        kind: a function of `harness_su2018.importing.slim.operations`.
        inputs: names of results before it.
        options: what else it takes; tensors by their names in our state dict.
    """

    name: str
    kind: str
    inputs: list[str]
    options: Options = field(default_factory=dict)


def plan(module: nn.Module) -> list[Operation]:
    """The operations of ``module`` in their order; the first one is the image, the last the logits.

    Raises:
        ModelError: one has no counterpart.
    """
    graph = _Tracer().trace(module)
    modules = dict(module.named_modules())
    return [_operation(n, modules) for n in graph.nodes if n.op != "output" and not _pads(n)]


class _Tracer(fx.Tracer):
    """Goes into every module but torch's own and MobileNet's layer, whose zeros depend on sizes."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, ConvLayer) or super().is_leaf_module(m, module_qualified_name)


def _pads(node: fx.Node) -> bool:
    """Whether ``node`` is the padding alone: TensorFlow pads where it convolves or pools."""
    return node.target is layers.padded


def _operation(node: fx.Node, modules: Mapping[str, nn.Module]) -> Operation:
    if node.op == "placeholder":
        return Operation(node.name, "image", [])
    padded = [each for each in node.all_input_nodes if _pads(each)]
    sources = [each.args[0] if _pads(each) else each for each in node.all_input_nodes]
    if node.op == "call_module":
        name = str(node.target)
        made = _of_module(modules[name], name, same=bool(padded))
    else:
        describe = _FUNCTIONS.get(node.target)
        made = None if describe is None else describe(node)
        if made is not None and padded:
            made = (made[0], made[1] | {"padding": SAME}) if made[0] == "max_pool" else None
    if made is None:
        raise ModelError(f"{node.format_node()} has no counterpart in TensorFlow")
    return Operation(node.name, made[0], [str(each) for each in sources], made[1])


def _of_module(part: nn.Module, name: str, *, same: bool) -> Made | None:
    if isinstance(part, ConvLayer):
        names = {type(each): f"{name}.{key}" for key, each in part.named_children()}
        convolution = _convolution(part.convolution, names[nn.Conv2d], SAME)
        norm = _norm(part.normalization, names[nn.BatchNorm2d])
        return "mobilenet_layer", {"convolution": convolution, "norm": norm}
    if isinstance(part, nn.Conv2d):
        return "convolution", _convolution(part, name, SAME if same else _padding(part))
    if isinstance(part, nn.BatchNorm2d):
        return "norm", _norm(part, name)
    if isinstance(part, nn.Linear):
        return "dense", {"kernel": f"{name}.weight", "bias": f"{name}.bias"}
    return None


def _convolution(part: nn.Conv2d, name: str, padding: str | int) -> Options:
    return {
        "kernel": f"{name}.weight",
        "bias": None if part.bias is None else f"{name}.bias",
        "stride": part.stride[0],
        "padding": padding,
        "depthwise": part.groups > 1,
    }


def _padding(part: nn.Conv2d) -> str | int:
    """SAME where torch's zeros are half a kernel at stride 1; VALID, or so many on each side."""
    zeros, kernel = tuple(int(each) for each in part.padding), part.kernel_size
    if not any(zeros):
        return VALID
    if part.stride == (1, 1) and zeros == tuple(side // 2 for side in kernel):
        return SAME
    return zeros[0]


def _norm(part: nn.BatchNorm2d, name: str) -> Options:
    return {
        "scale": None if part.weight is None else f"{name}.weight",
        "shift": f"{name}.bias",
        "mean": f"{name}.running_mean",
        "variance": f"{name}.running_var",
        "epsilon": part.eps,
    }


def _pool(node: fx.Node) -> Options:
    given = (*node.args[1:3], node.kwargs.get("stride"))
    return {"kernel": given[0], "stride": given[1], "padding": VALID}


def _mean(node: fx.Node) -> Made | None:
    keep = bool(node.kwargs.get("keepdim", False))
    return ("mean", {"keep": keep}) if node.args[1] == (2, 3) else None


def _multiplied(node: fx.Node) -> Made | None:
    numbers = [each for each in node.args if isinstance(each, float)]
    return ("multiplied", {"factor": numbers[0]}) if len(numbers) == 1 else None


def _joined(node: fx.Node) -> Made | None:
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return ("joined", {}) if axis == 1 else None


def _part(node: fx.Node) -> Made | None:
    """Slices of rows and columns with a first one and a step."""
    key: Any = node.args[1]
    if not isinstance(key, tuple) or key[:2] != (slice(None), slice(None)) or len(key) != 4:
        return None
    return "part", {
        "rows": [key[2].start or 0, key[2].step],
        "columns": [key[3].start or 0, key[3].step],
    }


def _zeros(node: fx.Node) -> Made | None:
    sides: Any = node.args[1]
    return ("zeros", {"sides": list(sides)}) if len(sides) == 4 else None


_FUNCTIONS: Mapping[Any, Callable[[fx.Node], Made | None]] = {
    F.relu: lambda node: ("relu", {}),
    F.max_pool2d: lambda node: ("max_pool", _pool(node)),
    F.avg_pool2d: lambda node: ("average_pool", _pool(node)),
    layers._own_means: lambda node: ("average_pool", _pool(node) | {"padding": SAME}),
    F.pad: _zeros,
    operator.add: lambda node: ("sum", {}) if len(node.all_input_nodes) == 2 else None,
    operator.mul: _multiplied,
    operator.getitem: _part,
    torch.cat: _joined,
    "mean": _mean,
    "flatten": lambda node: ("flat", {}) if node.args[1:] == (1,) else None,
}
