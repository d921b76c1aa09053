"""A plan's operations by TensorFlow, channels last, on a checkpoint's variables as they lie there.

Runs in the child process only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Options = dict[str, Any]
Variables = Callable[[str | None], Any]
"""The variable of one of our tensors; None of None."""


def run(operations: Sequence[Options], images: Array, variables: Variables) -> Array:
    """The logits of ``images`` (n, height, width, 3); see `harness_su2018.importing.slim.plan`."""
    found: dict[str, Any] = {}
    last_use = {name: each["name"] for each in operations for name in each["inputs"]}
    for each in operations:
        given = [found[name] for name in each["inputs"]]
        if each["kind"] == "image":
            value = images
        else:
            value = _KINDS[each["kind"]](given, variables, **each["options"])
        found[each["name"]] = value
        for name in {name for name in each["inputs"] if last_use[name] == each["name"]}:
            del found[name]
    return np.asarray(found[operations[-1]["name"]])


def _tf() -> Any:
    return import_module("tensorflow")


def _convolution(given: list[Any], variables: Variables, **options: Any) -> Any:
    nn, kernel, padding = _tf().nn, variables(options["kernel"]), options["padding"]
    if kernel.ndim == 2:
        kernel = kernel[None, None]
    if isinstance(padding, int):
        padding = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    steps = [1, options["stride"], options["stride"], 1]
    convolve = nn.depthwise_conv2d if options["depthwise"] else nn.conv2d
    found = convolve(given[0], kernel, steps, padding)
    bias = variables(options["bias"])
    return found if bias is None else nn.bias_add(found, bias)


def _norm(given: list[Any], variables: Variables, **options: Any) -> Any:
    return _tf().nn.batch_normalization(
        given[0],
        variables(options["mean"]),
        variables(options["variance"]),
        variables(options["shift"]),
        variables(options["scale"]),
        options["epsilon"],
    )


def _mobilenet_layer(given: list[Any], variables: Variables, **options: Any) -> Any:
    convolved = _convolution(given, variables, **options["convolution"])
    return _tf().nn.relu6(_norm([convolved], variables, **options["norm"]))


def _dense(given: list[Any], variables: Variables, **options: Any) -> Any:
    kernel = variables(options["kernel"])
    product = _tf().matmul(given[0], kernel.reshape(kernel.shape[-2:]))
    return product + variables(options["bias"])


def _pool(by: str) -> Callable[..., Any]:
    def pool(given: list[Any], variables: Variables, **options: Any) -> Any:
        sizes = [options["kernel"], options["stride"], options["padding"]]
        return getattr(_tf().nn, by)(given[0], *sizes)

    return pool


def _part(given: list[Any], variables: Variables, **options: Any) -> Any:
    (top, down), (left, right) = options["rows"], options["columns"]
    return given[0][:, top::down, left::right]


def _zeros(given: list[Any], variables: Variables, **options: Any) -> Any:
    left, right, top, bottom = options["sides"]
    return _tf().pad(given[0], [[0, 0], [top, bottom], [left, right], [0, 0]])


_KINDS: dict[str, Callable[..., Any]] = {
    "convolution": _convolution,
    "norm": _norm,
    "mobilenet_layer": _mobilenet_layer,
    "dense": _dense,
    "relu": lambda given, variables: _tf().nn.relu(given[0]),
    "max_pool": _pool("max_pool2d"),
    "average_pool": _pool("avg_pool2d"),
    "mean": lambda given, variables, keep: _tf().reduce_mean(given[0], [1, 2], keepdims=keep),
    "flat": lambda given, variables: _tf().reshape(given[0], [len(given[0]), -1]),
    "joined": lambda given, variables: _tf().concat(given, 3),
    "sum": lambda given, variables: given[0] + given[-1],
    "multiplied": lambda given, variables, factor: given[0] * factor,
    "part": _part,
    "zeros": _zeros,
}
