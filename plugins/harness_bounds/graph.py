"""The steps of a network, from what the harness traced of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx

from harness.api import ModelError
from harness_bounds.affine import affine, value_of
from harness_bounds.squares import Responses
from harness_bounds.steps import Affine, Maximum, Ramp, Step, Steps

_aten = torch.ops.aten
_RAMPS: Mapping[Any, Callable[..., tuple[float | None, float | None]]] = {
    _aten.relu.default: lambda: (0.0, None),
    _aten.hardtanh.default: lambda low=-1.0, high=1.0: (low, high),
    _aten.relu6.default: lambda: (0.0, 6.0),
    _aten.clamp.default: lambda low=None, high=None: (low, high),
    _aten.clamp_min.default: lambda low: (low, None),
}
"""min(max(x, low), high), by what follows x."""


def steps_of(graph: fx.GraphModule) -> Steps:
    """What the harness traced (`harness.api.Probe.graph`), as steps.

    Raises:
        ModelError: an operation is none that bounds can be carried through; it is named.
    """
    known: dict[str, Any] = {}
    responses = Responses(known)
    steps: dict[str, Step | fx.Node] = {}
    image = last = ""
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            image = node.name
        elif node.op == "get_attr":
            known[node.name] = _exact(_attribute(graph, node.target))
        elif node.op == "output":
            (last,) = (each.name for each in node.all_input_nodes)
        elif all(each.name in known for each in node.all_input_nodes):
            known[node.name] = _exact(
                node.target(*value_of(node.args, known), **value_of(node.kwargs, known))
            )
        elif node.users and not _has_parts(node):
            steps[node.name] = responses.step(node) or _step(node, known)
    return Steps(image, tuple(_needed(steps, last)))


def _has_parts(node: fx.Node) -> bool:
    """Whether it returns several values, which others take one by one."""
    return all(user.target is getitem for user in node.users)


def _step(node: fx.Node, known: Mapping[str, Any]) -> Step | fx.Node:
    """What ``node`` is; where that is unknown, the node of the operation."""
    whole, index = node, None
    if node.target is getitem:
        whole, index = node.args
    name, inputs = node.name, [each.name for each in whole.all_input_nodes]
    free = tuple(each for each in inputs if each not in known)
    if whole.target in _RAMPS:
        low, high = _RAMPS[whole.target](*value_of(whole.args[1:], known))
        return Ramp(
            name,
            (free[0],),
            low=-torch.inf if low is None else low,
            high=torch.inf if high is None else high,
        )
    if whole.target is _aten.max_pool2d_with_indices.default and index == 0:
        window = value_of(whole.args[1:], known)
        kernel, stride = window[0], [*window[1:2], []][0] or window[0]
        overlap = math.prod(-(-k // s) for k, s in zip(kernel, stride, strict=True))
        return Maximum(name, (free[0],), lambda value: whole.target(value, *window)[0], overlap)
    if whole.target is _aten.amax.default:
        over = value_of(whole.args[1:], known)
        return Maximum(name, (free[0],), lambda value: whole.target(value, *over), 1)
    found = affine(whole, known, index)
    return whole if found is None else Affine(name, free, *found)


def _needed(steps: Mapping[str, Step | fx.Node], last: str) -> list[Step]:
    """Those that the last one depends on, in order."""
    wanted, found = {last}, []
    for name, step in reversed(steps.items()):
        if name in wanted:
            found.append(step)
            free = step.all_input_nodes if isinstance(step, fx.Node) else step.inputs
            wanted.update(map(str, free))
    if unknown := [step.target for step in found if isinstance(step, fx.Node)]:
        raise ModelError(
            f"no bound is known of {unknown[-1]}",
            hint="there are bounds of convolutions, dense layers, ReLU, pools, sums, batch norms, "
            "local response norms",
        )
    return found[::-1]


def _attribute(graph: fx.GraphModule, path: str) -> Any:
    found: Any = graph
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _exact(value: Any) -> Any:
    """As float64 on the CPU, where it is a tensor of floats."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return value.double() if value.is_floating_point() else value
    return value
