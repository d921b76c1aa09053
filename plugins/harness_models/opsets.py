"""Operators of ONNX's newer sets in the words of set 17, which onnx2torch knows.

Most of what changed since are further types, which no float32 network uses. Whether the torch
module still computes the same is not for this file to prove: the loader compares its logits with
those of ONNX Runtime, which runs the graph as it is. (onnx's own version converter stops at Gelu,
Cast, ConstantOfShape and others.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, defs, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

KNOWN = 17
"""The newest set that onnx2torch 1.5 covers."""

_DEFAULT = ("", "ai.onnx")
_WHOLE = (TensorProto.INT64, TensorProto.INT32)

_BY_ERF: tuple[tuple[Any, ...], ...] = (
    ("inner", "Div", "x", math.sqrt(2)),
    ("curve", "Erf", "inner"),
    ("raised", "Add", "curve", 1.0),
    ("weighed", "Mul", "x", "raised"),
    ("y", "Mul", "weighed", 0.5),
)
_BY_TANH: tuple[tuple[Any, ...], ...] = (
    ("square", "Mul", "x", "x"),
    ("cube", "Mul", "square", "x"),
    ("bent", "Mul", "cube", 0.044715),
    ("sum", "Add", "x", "bent"),
    ("inner", "Mul", "sum", math.sqrt(2 / math.pi)),
    ("curve", "Tanh", "inner"),
    ("raised", "Add", "curve", 1.0),
    ("weighed", "Mul", "x", "raised"),
    ("y", "Mul", "weighed", 0.5),
)
"""Gelu, line by line: a result, an operator and its operands."""


def lowered(model: ModelProto) -> ModelProto:
    """``model`` in set 17; what has no counterpart there stays as it is."""
    found = ModelProto()
    found.CopyFrom(model)
    nodes = _without_copies(found)
    for opset in found.opset_import:
        if opset.domain in _DEFAULT and opset.version > KNOWN:
            opset.version = KNOWN
            nodes = list(_in_old_words(nodes, _constants(found)))
    for node in nodes:
        node.ClearField("name")  # onnx2torch mixes up "a", "a" and "a_1"
    del found.graph.node[:]
    found.graph.node.extend(nodes)
    return found


def _without_copies(model: ModelProto) -> list[NodeProto]:
    """The nodes, reading initializers themselves instead of what Identity nodes make of them.

    Exporters store equal weights once; onnx2torch wants to see a convolution's.
    """
    origin = {tensor.name: tensor.name for tensor in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    kept = []
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = origin.get(name, name)
        if (
            node.op_type == "Identity"
            and node.input[0] in origin
            and outputs.isdisjoint(node.output)
        ):
            origin[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    return kept


def _in_old_words(
    nodes: Iterable[NodeProto], constants: Mapping[str, NDArray[np.generic]]
) -> Iterator[NodeProto]:
    for node in nodes:
        if node.domain not in _DEFAULT:
            yield node
        elif node.op_type == "Gelu":
            yield from _gelu(node)
        elif node.op_type.startswith("Reduce") and node.op_type != "ReduceSum":
            yield _reduction(node, constants)
        else:
            old = _without_news(node)
            if node.op_type == "Reshape" and np.all(constants.get(node.input[1], 0)):
                _drop(old, "allowzero")  # there is none to allow
            yield old


def _reduction(node: NodeProto, constants: Mapping[str, NDArray[np.generic]]) -> NodeProto:
    """Axes became an input in set 18; before, they were an attribute."""
    axes = constants.get(node.input[1]) if len(node.input) > 1 else None
    old = _without_news(node)
    if axes is not None:
        del old.input[1:]
        old.attribute.append(helper.make_attribute("axes", [int(axis) for axis in axes]))
    return old


def _without_news(node: NodeProto) -> NodeProto:
    """``node`` without the attributes that its operator has had since set 18 only."""
    if not defs.has(node.op_type, KNOWN):
        return node
    known = defs.get_schema(node.op_type, KNOWN).attributes
    old = NodeProto()
    old.CopyFrom(node)
    _drop(old, *(each.name for each in node.attribute if each.name not in known))
    return old


def _drop(node: NodeProto, *names: str) -> None:
    kept = [each for each in node.attribute if each.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def _gelu(node: NodeProto) -> Iterator[NodeProto]:
    """x / 2 * (1 + erf(x / sqrt(2))), or its approximation by tanh."""
    tanh = any(each.name == "approximate" and each.s == b"tanh" for each in node.attribute)
    formula = _BY_TANH if tanh else _BY_ERF
    names = {"x": node.input[0], "y": node.output[0]}
    for result, operator, *operands in formula:
        inputs = []
        for operand in operands:
            if isinstance(operand, float):
                inputs.append(f"{node.output[0]}/{operand}")
                value = numpy_helper.from_array(np.array(operand, np.float32))
                yield helper.make_node("Constant", [], inputs[-1:], value=value)
            else:
                inputs.append(names.setdefault(operand, f"{node.output[0]}/{operand}"))
        output = names.setdefault(result, f"{node.output[0]}/{result}")
        yield helper.make_node(operator, inputs, [output])


def _constants(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    """Whole numbers that the graph holds: initializers and the outputs of Constant nodes."""
    found = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type in _WHOLE
    }
    for node in model.graph.node:
        for each in node.attribute if node.op_type == "Constant" else ():
            if each.name == "value" and each.t.data_type in _WHOLE:
                found[node.output[0]] = numpy_helper.to_array(each.t)
            elif each.name == "value_ints":
                found[node.output[0]] = np.array(each.ints)
    return found
