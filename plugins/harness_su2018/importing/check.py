"""TensorFlow against ONNX Runtime against onnx2torch, and torch's gradient against differences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import torch
from onnx import ModelProto, numpy_helper
from onnx2torch import convert
from torch import nn

from harness.api import ModelError
from harness_su2018.importing.process import one_line

if TYPE_CHECKING:
    from harness_su2018.importing.convert import Converted

TOLERANCE = 1e-4
"""Largest error: of logits, relative to the largest logit; of a directional derivative."""
_STEP = 1e-7
"""Of the differences, in standard deviations of the input; the arithmetic is float64."""
_SILENT = 4
"""What a graph cannot do is told by exceptions."""

Array = np.ndarray[Any, Any]
Run = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Checked:
    """A converted graph and its errors; see `harness_su2018.importing.check.TOLERANCE`.

    Attributes:
        model: for any batch if ``batch`` is None, else for batches of that size only.
        runtime: ONNX Runtime's logits against TensorFlow's.
        torch: onnx2torch's logits against TensorFlow's.
        gradient: torch's derivative of a logit along a random direction against central
            differences, relative to the largest of both and the gradient's mean square root.
    """

    model: ModelProto
    batch: int | None
    runtime: float
    torch: float
    gradient: float


def check(converted: Converted) -> Checked:
    """Run the graph on batches of 1, 2 and 3 images, or of 1 if it takes no others.

    Raises:
        ModelError: a library cannot run it, or TensorFlow's logits are not finite.
    """
    images, logits = converted.images, converted.logits
    if not np.isfinite(logits).all():
        raise ModelError("TensorFlow's logits are not finite on random images")
    model, batch, runtime = _in_runtime(converted.model, images, logits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # onnx2torch's slices; the logits tell
            module: nn.Module = convert(model).eval().requires_grad_(False)
            error = _largest_error(lambda x: _forward(module, x), images, logits, batch)
            gradient = gradient_error(module, images[:1])
    except Exception as cause:
        raise ModelError(f"onnx2torch cannot run it: {one_line(cause)}") from cause
    return Checked(model, batch, runtime, error, gradient)


def relative_error(values: Array, reference: Array) -> float:
    """max |values - reference| / max |reference|; infinite where the shapes differ or NaN is."""
    if values.shape != reference.shape or not np.isfinite(values).all():
        return math.inf
    scale = float(np.abs(reference).max()) or float(np.finfo(np.float32).tiny)
    return float(np.abs(values.astype(np.float64) - reference).max()) / scale


def gradient_error(module: nn.Module, image: Array) -> float:
    """The error of the largest logit's derivative by ``image`` (1, 3, height, width)."""
    module = module.double()
    generator = torch.Generator().manual_seed(0)
    point = torch.from_numpy(image).double().requires_grad_()
    logits = module(point)[0]
    best = int(logits.argmax())
    (gradient,) = torch.autograd.grad(logits[best], point)
    direction = torch.randn(point.shape, dtype=torch.float64, generator=generator)
    direction *= point.detach().std()
    with torch.no_grad():
        above, below = (module(point + sign * _STEP * direction)[0, best] for sign in (1, -1))
        differences = float(above - below) / (2 * _STEP)
        derivative = float((gradient * direction).sum())
        typical = float(gradient.norm() * direction.norm()) / math.sqrt(point.numel())
    scale = max(abs(derivative), abs(differences), typical)
    return abs(derivative - differences) / scale if scale > 0 else math.inf


def _in_runtime(
    model: ModelProto, images: Array, logits: Array
) -> tuple[ModelProto, int | None, float]:
    """The graph in the freest form that computes ``logits``, its batch size, and its error.

    As it is; or with reshapes that keep the batch where they said 1; or for a batch of 1.
    """
    error = math.inf
    for form, batch in ((_as_it_is, None), (_keeping_batch, None), (_single, 1)):
        candidate = form(model)
        try:
            error = _largest_error(_session(candidate), images, logits, batch)
        except Exception as cause:
            if batch is None:
                continue
            raise ModelError(f"ONNX Runtime cannot run it: {one_line(cause)}") from cause
        if error <= TOLERANCE:
            return candidate, batch, error
    return candidate, batch, error


def _largest_error(run: Run, images: Array, logits: Array, batch: int | None) -> float:
    return max(
        relative_error(run(images[part]), logits[part]) for part in _parts(len(images), batch)
    )


def _parts(count: int, batch: int | None) -> Iterator[slice]:
    """Every image; unless the batch is fixed, in batches of different sizes."""
    if batch is None:
        return (slice(0, size) for size in range(1, count + 1))
    return (slice(start, start + batch) for start in range(0, count, batch))


def _session(model: ModelProto) -> Run:
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = model.graph.input[0].name
    return lambda images: session.run(None, {name: images})[0]


def _forward(module: nn.Module, images: Array) -> Array:
    with torch.no_grad():
        logits: Array = module(torch.from_numpy(images)).numpy()
    return logits


def _as_it_is(model: ModelProto) -> ModelProto:
    return model


def _unshaped(model: ModelProto) -> ModelProto:
    """The same graph, without the shapes that follow from its input's."""
    result = ModelProto()
    result.CopyFrom(model)
    del result.graph.value_info[:]
    result.graph.output[0].type.tensor_type.ClearField("shape")
    return result


def _keeping_batch(model: ModelProto) -> ModelProto:
    """The same graph, but a reshape to (1, ...) keeps its first axis: 0 in ONNX."""
    result = _unshaped(model)
    targets = {node.input[1] for node in result.graph.node if node.op_type == "Reshape"}
    for constant in result.graph.initializer:
        shape = numpy_helper.to_array(constant) if constant.name in targets else np.empty(0)
        if shape.size and shape[0] == 1:
            free = np.concatenate([[0], shape[1:]]).astype(np.int64)
            constant.CopyFrom(numpy_helper.from_array(free, constant.name))
    return result


def _single(model: ModelProto) -> ModelProto:
    result = _unshaped(model)
    result.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    return result
