"""Which variable of a TF-Slim checkpoint is which tensor of ours, and how it is laid out.

The rule, without exceptions: the network's top scope is left out, ``/`` is ``.``, and the last part
is

    SCOPE/weights             SCOPE.conv.weight, or SCOPE.linear.weight of a dense layer
    SCOPE/biases              the .bias of SCOPE's conv, pointwise or linear
    SCOPE/depthwise_weights   SCOPE.depthwise.weight
    SCOPE/pointwise_weights   SCOPE.pointwise.weight
    SCOPE/gamma, beta         SCOPE.weight, SCOPE.bias of a batch norm
    SCOPE/moving_mean, _variance  SCOPE.running_mean, SCOPE.running_var

Kernels are (height, width, inputs, outputs) in TensorFlow and (outputs, inputs, height, width)
here; depthwise ones (height, width, inputs, multiplier) and (inputs * multiplier, 1, height,
width); dense ones are transposed, and a dense layer may be a convolution of 1 x 1 there.

What training left in a checkpoint has no tensor: optimisers' slots, moving averages of weights
(``.../ExponentialMovingAverage``), ``global_step``, auxiliary heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.api import ModelError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, Any]

_LAYERS = {
    "conv.weight": "weights",
    "conv.bias": "biases",
    "linear.weight": "weights",
    "linear.bias": "biases",
    "depthwise.weight": "depthwise_weights",
    "pointwise.weight": "pointwise_weights",
    "pointwise.bias": "biases",
}
_NORMS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_VARIABLES = {*_LAYERS.values(), *_NORMS.values()}
_COUNTERS = {"global_step", "beta1_power", "beta2_power"}
_BATCHES = "num_batches_tracked"
_MANY = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor of ours comes from.

    Attributes:
        variable: the checkpoint's.
        shape: the tensor's own, as torch has it.
        depthwise: whether the variable's last two axes are inputs and their multiplier.
    """

    variable: str
    shape: tuple[int, ...]
    depthwise: bool = False


def variable_of(tensor: str, scope: str) -> str:
    """The checkpoint's name of our ``tensor``; ``scope`` is the network's top scope or empty.

    >>> variable_of("Mixed_3b.Branch_0.Conv2d_0a_1x1.conv.weight", "InceptionV2")
    'InceptionV2/Mixed_3b/Branch_0/Conv2d_0a_1x1/weights'
    """
    parts = tensor.split(".")
    layer = _LAYERS.get(".".join(parts[-2:]))
    path = [*parts[:-2], layer] if layer is not None else [*parts[:-1], _NORMS[parts[-1]]]
    return "/".join([scope, *path] if scope else path)


def places(module: nn.Module, scope: str, called: Callable[[str], str] = str) -> dict[str, Place]:
    """Every tensor of ``module`` (batch norms' counters of steps apart) and its variable.

    ``called``: what a tensor of another naming is called by the rule.
    """
    found = {}
    for name, tensor in module.state_dict().items():
        if not name.endswith(_BATCHES):
            ruled = called(name)
            depthwise = ruled.endswith("depthwise.weight")
            found[name] = Place(variable_of(ruled, scope), tuple(tensor.shape), depthwise)
    return found


def is_of_training(variable: str) -> bool:
    """Whether a variable is none of the network's: a slot, a shadow, a counter, an Aux head."""
    *scopes, last = variable.split("/")
    slot = any(scope in _VARIABLES for scope in scopes)
    return slot or last in _COUNTERS or any(scope.lower().startswith("aux") for scope in scopes)


def check(
    wanted: Mapping[str, Place], shapes: Mapping[str, tuple[int, ...]], network: str
) -> list[str]:
    """The variables of a checkpoint (names and ``shapes``) that are left out.

    Raises:
        ModelError: one of the network's is missing or of another shape, or one is unknown.
    """
    expected = {place.variable: place for place in wanted.values()}
    missing = sorted(expected.keys() - shapes.keys())
    rest = sorted(shapes.keys() - expected.keys())
    unknown = [name for name in rest if not is_of_training(name)]
    wrong = [
        f"{name} is {shapes[name]}"
        for name, place in sorted(expected.items())
        if name in shapes and not _fits(place, shapes[name])
    ]
    faults = [
        f"variables {what}: {_listed(names)}"
        for names, what in (
            (missing, "missing"),
            (wrong, "of another shape"),
            (unknown, "unknown"),
        )
        if names
    ]
    if faults:
        raise ModelError(
            f"does not hold {network}: {'; '.join(faults)}",
            hint="say which network it holds with --network NAME",
        )
    return rest


def converted(place: Place, values: Array) -> Array:
    """A variable's ``values`` as our tensor holds them, contiguous float32."""
    import numpy as np

    if values.ndim == 4:
        axes = (2, 3, 0, 1) if place.depthwise else (3, 2, 0, 1)
        values = values.transpose(axes)
    elif values.ndim == 2:
        values = values.T
    return np.ascontiguousarray(values.reshape(place.shape), dtype=np.float32)


def _fits(place: Place, shape: tuple[int, ...]) -> bool:
    """Whether a variable of ``shape`` becomes the tensor; kernels of 1 x 1 may be dense."""
    if len(place.shape) == 1 or len(shape) not in (2, 4):
        return shape == place.shape
    shape = shape if len(shape) == 4 else (1, 1, *shape)
    outputs, inputs, *kernel = place.shape
    if place.depthwise:
        return shape[2] * shape[3] == outputs and shape[:2] == tuple(kernel)
    return shape == (*(kernel or (1, 1)), inputs, outputs)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more
