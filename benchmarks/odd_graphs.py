"""A small ONNX graph, and what may be odd about it: for odd_weights.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CLASSES = 8, 4


def graph(classes: int = CLASSES) -> onnx.ModelProto:
    """A small network that the loader takes."""
    draw = np.random.default_rng(0)
    weights = {
        "kernel": draw.normal(size=(5, 3, 3, 3)).astype(np.float32),
        "matrix": draw.normal(size=(5 * SIDE * SIDE, classes)).astype(np.float32),
        "bias": draw.normal(size=classes).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["conv"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "bias"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(nodes, "small", [image], [logits], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _outside(location: str, **more: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[1]
        onnx.external_data_helper.set_external_data(tensor, location, **more)
        tensor.ClearField("raw_data")

    return change


def _dims(*dims: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.initializer[1].dims[:]
        model.graph.initializer[1].dims.extend(dims)

    return change


def _axes(*axes: int | str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        value = helper.make_tensor_value_info("image", TensorProto.FLOAT, list(axes))
        model.graph.input[0].CopyFrom(value)

    return change


GRAPHS: dict[str, Callable[[onnx.ModelProto], None]] = {
    "data in /etc": _outside("/etc/hostname"),
    "data above": _outside("../data.bin"),
    "data nowhere": _outside("nowhere.bin"),
    "data in itself": _outside("."),
    "data of a device": _outside("/dev/zero", offset=0, length=10**12),
    "negative offset": _outside("nowhere.bin", offset=-5),
    "endless tensor": _dims(2**40, 2**20),
    "negative tensor": _dims(-5, 4),
    "zero tensor": _dims(0, 4),
    "image of two axes": _axes("n", 3 * SIDE * SIDE),
    "channels last": _axes("n", SIDE, SIDE, 3),
    "grey": _axes("n", 1, SIDE, SIDE),
    "endless image": _axes("n", 3, 2**40, 2**40),
    "no operators known": lambda model: setattr(model.graph.node[0], "op_type", "Invented"),
    "no nodes": lambda model: model.graph.ClearField("node"),
    "no opset": lambda model: model.ClearField("opset_import"),
    "opset of the future": lambda model: setattr(model.opset_import[0], "version", 999),
    "circle": lambda model: model.graph.node[0].input.__setitem__(0, "flat"),
    "input of nothing": lambda model: model.graph.node[0].input.__setitem__(0, "none"),
    "no output": lambda model: model.graph.ClearField("output"),
    "no input": lambda model: model.graph.ClearField("input"),
    "weights of halves": lambda model: setattr(model.graph.initializer[0], "data_type", 10),
    "weights of text": lambda model: setattr(model.graph.initializer[0], "data_type", 8),
    "weights of no type": lambda model: setattr(model.graph.initializer[0], "data_type", 99),
}
