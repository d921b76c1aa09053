"""The check catches what a wrong conversion does, and passes what is right."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from harness.errors import ModelError
from harness_su2018.importing.check import check, gradient_error, relative_error
from harness_su2018.importing.child import Found, Request
from harness_su2018.importing.convert import Converted, convert

RNG = np.random.default_rng(5)
KERNEL = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
MATRIX = RNG.normal(size=(64, 7)).astype(np.float32)
IMAGES = RNG.normal(size=(3, 3, 6, 6)).astype(np.float32)


def oracle(images: np.ndarray) -> np.ndarray:
    hidden = torch.nn.functional.conv2d(torch.tensor(images), torch.tensor(KERNEL)).relu()
    return (hidden.flatten(1) @ torch.tensor(MATRIX)).numpy()


def converted(flat: list[int], logits: np.ndarray | None = None) -> Converted:
    """conv, relu, reshape to ``flat``, matrix; TensorFlow's logits are the oracle's."""
    weights = {"kernel": KERNEL, "flat": np.array(flat, np.int64), "matrix": MATRIX}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["conv"]),
            helper.make_node("Relu", ["conv"], ["relu"]),
            helper.make_node("Reshape", ["relu", "flat"], ["flattened"]),
            helper.make_node("MatMul", ["flattened", "matrix"], ["logits"]),
        ],
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    found = Found("image:0", "logits:0", (6, 6), 7, 4, 0)
    return Converted(found, model, IMAGES, oracle(IMAGES) if logits is None else logits)


@pytest.mark.parametrize("flat", [[-1, 64], [1, 64], [1, -1]])
def test_a_right_conversion_passes_for_any_batch(flat):
    result = check(converted(flat))
    assert result.batch is None
    assert max(result.runtime, result.torch, result.gradient) < 1e-5


def test_a_graph_for_one_image_only_stays_so():
    good = converted([-1, 64])
    row = helper.make_node("Gather", ["logits", "zero"], ["row"], axis=0)
    tail = helper.make_node("Unsqueeze", ["row", "axes"], ["only"])
    good.model.graph.node.extend([row, tail])
    good.model.graph.output[0].name = "only"
    for name, value in (("zero", np.array(0)), ("axes", np.array([0]))):
        good.model.graph.initializer.append(numpy_helper.from_array(value, name))
    result = check(good)
    assert result.batch == 1
    assert max(result.runtime, result.torch) < 1e-5
    assert result.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_a_wrong_weight_shows():
    wrong = converted([-1, 64])
    matrix = MATRIX.copy()
    matrix[0, 0] *= 1.1
    wrong.model.graph.initializer[2].CopyFrom(numpy_helper.from_array(matrix, "matrix"))
    result = check(wrong)
    assert result.runtime > 1e-4
    assert result.torch > 1e-4


def test_logits_that_are_not_finite_are_refused():
    logits = oracle(IMAGES)
    logits[1, 2] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        check(converted([-1, 64], logits))


def test_a_graph_that_does_not_run_is_an_error_in_one_line():
    broken = converted([-1, 64])
    broken.model.graph.node[1].op_type = "Invented"
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot run it: .*Invented") as caught:
        check(broken)
    assert "\n" not in str(caught.value)


def test_relative_error_is_of_the_largest():
    reference = np.array([[1.0, -4.0]])
    assert relative_error(np.array([[1.2, -4.1]]), reference) == pytest.approx(0.05)
    assert relative_error(reference, reference) == 0
    assert relative_error(np.zeros((1, 2)), np.zeros((1, 2))) == 0
    assert relative_error(np.array([[np.nan, 1.0]]), reference) == math.inf
    assert relative_error(np.zeros((1, 3)), reference) == math.inf


class Tampered(torch.autograd.Function):
    """x ** 3, whose gradient is off by a thousandth."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * 3.003 * x**2


class Cube(torch.nn.Module):
    def __init__(self, right: bool) -> None:
        super().__init__()
        self.power = (lambda x: x**3) if right else Tampered.apply

    def forward(self, x):
        return self.power(x).flatten(1).sum(1, keepdim=True)


def test_a_wrong_gradient_shows():
    image = IMAGES[:1]
    assert gradient_error(Cube(right=True), image) < 1e-6
    assert gradient_error(Cube(right=False), image) > 1e-5


def test_a_crash_of_tensorflow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho first >&2\necho 'LLVM ERROR' >&2\nkill -ABRT $$\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    request = Request("x.pb", str(tmp_path), None, None, None, None, None, (0,) * 3, (1,) * 3, 1)
    with pytest.raises(ModelError, match=r"^TensorFlow ended with code -6: LLVM ERROR$"):
        convert(request)
