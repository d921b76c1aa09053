"""An ONNX file as a graph with one image input and one logit output, checked before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from harness.api import ModelError, did_you_mean
from harness_models import external
from harness_models.files import Form, look, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.api import Preprocessing

_KEEPS_PROBABILITIES = {
    "Cast", "Clip", "Dropout", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze",
}  # fmt: skip
_EXPORT = "export the graph with an image input (batch, channels, height, width)"


@dataclass(frozen=True, slots=True)
class Graph:
    """A pruned graph: one input, one output, and only the nodes between the two.

    Attributes:
        batch: the batch size that the file fixes; None where any will do.
    """

    model: ModelProto
    input: str
    output: str
    batch: int | None

    def with_any_batch(self) -> Graph:
        """The same graph with a symbolic batch axis; inner nodes may still insist on theirs."""
        model = ModelProto()
        model.CopyFrom(self.model)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
        return Graph(model, self.input, self.output, None)


def read(path: Path) -> ModelProto:
    """The model in ``path`` with all its tensors, those in files next to it too.

    Raises:
        MissingError: it, or a file next to it, cannot be read. ModelError: it is not ONNX, or keeps
            tensors elsewhere.
    """
    found = look(path)
    if found.form is not Form.ONNX:
        foreign = found.form is Form.FOREIGN
        hint = found.hint if foreign else "export the network with torch.onnx.export"
        raise ModelError(f"is {found.what}, not an ONNX graph", where=str(path), hint=hint)
    if found.size > external.LARGEST:
        raise ModelError(
            f"has {found.size:,} bytes, more than the {external.LARGEST:,} of an ONNX graph",
            where=str(path),
            hint="take a smaller network",
        )
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        external.bring_in(model, path)
    except OSError as error:
        raise unreadable(path, error) from error
    except DecodeError as error:
        raise _damaged(path) from error
    if not model.graph.node:
        raise _damaged(path)
    return model


def select(
    model: ModelProto, path: Path, *, input: str | None = None, output: str | None = None
) -> Graph:
    """The part of ``model`` between one input and one output.

    ``input`` and ``output`` choose among several; ``output`` may name any tensor of the graph.

    Raises:
        ModelError: there are several and none was chosen, or the choice does not work.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    outputs = {value.name: value for value in graph.output}
    source = _chosen("input", input, inputs, inputs, path)
    makers = {name: node for node in graph.node for name in node.output if name}
    sink = _chosen("output", output, outputs, makers, path)
    nodes, tensors = _between(graph, makers, sink)
    extra = sorted((set(inputs) - {source}) & tensors)
    if extra:
        raise ModelError(
            f"output {sink!r} needs more inputs than {source!r}: {', '.join(extra)}",
            where=str(path),
            hint="export a graph whose only input is the image",
        )
    _refuse_probabilities(makers, sink, path)
    pruned = ModelProto()
    pruned.CopyFrom(model)
    _replace(pruned.graph.node, nodes)
    _replace(pruned.graph.initializer, [t for t in graph.initializer if t.name in tensors])
    _replace(pruned.graph.input, [inputs[source]])
    _replace(pruned.graph.output, [_without_shape(sink, outputs.get(sink))])
    # Shapes that the exporter noted may hold its batch size; ONNX Runtime infers its own.
    _replace(pruned.graph.value_info, [])
    return Graph(pruned, source, sink, _fixed_batch(inputs[source]))


def check_input(graph: Graph, path: Path, preprocessing: Preprocessing) -> None:
    """Refuse a graph whose input is not float32 (n, channels, height, width) as the registry says.

    Symbolic axes pass. Raises ModelError.
    """
    value = graph.model.graph.input[0]
    where = f"{path}: input {graph.input!r}"
    for each in (value, graph.model.graph.output[0]):
        kind = each.type.tensor_type.elem_type
        if kind != TensorProto.FLOAT:
            raise ModelError(
                f"{each.name!r} is {TensorProto.DataType.Name(kind)}, not FLOAT",
                where=str(path),
                hint="convert the graph to float32",
            )
    if not value.type.tensor_type.HasField("shape"):
        return
    dims = value.type.tensor_type.shape.dim
    axes = [axis.dim_value or axis.dim_param or "?" for axis in dims]
    shape, size = f"({', '.join(map(str, axes))})", list(preprocessing.size)
    channels = preprocessing.shape[0]
    if len(axes) != 4:
        what, hint = f"shape {shape} has {len(axes)} axes, not 4", _EXPORT
    elif axes[1] != channels and axes[3] == channels:
        what, hint = f"shape {shape} has its channels last", f"{_EXPORT}, channels second"
    elif isinstance(axes[1], int) and axes[1] != channels:
        what = f"shape {shape} has {axes[1]} channels on its second axis, the registry {channels}"
        hint = f"set preprocessing.channels: {'grey' if axes[1] == 1 else axes[1]}"
    elif any(
        isinstance(axis, int) and axis != side for axis, side in zip(axes[2:], size, strict=True)
    ):
        fits = [axis.dim_value or side for axis, side in zip(dims[2:], size, strict=True)]
        what = f"takes images of {axes[2]} x {axes[3]}, the registry says {size[0]} x {size[1]}"
        hint = f"set preprocessing.size: {fits}"
    else:
        return
    raise ModelError(what, where=where, hint=hint)


def input_size(graph: Graph) -> tuple[int, int] | None:
    """(height, width) that the input declares; None where either is symbolic or missing."""
    axes = graph.model.graph.input[0].type.tensor_type.shape.dim
    if len(axes) != 4 or not (axes[2].dim_value and axes[3].dim_value):
        return None
    return axes[2].dim_value, axes[3].dim_value


def input_channels(graph: Graph) -> int:
    """How many channels the input declares; 3 where that is symbolic or missing.

    Of an input that has them last, as many as it has there: `check_input` refuses it.
    """
    axes = graph.model.graph.input[0].type.tensor_type.shape.dim
    if len(axes) != 4:
        return 3
    second, last = axes[1].dim_value, axes[3].dim_value
    return (last if last in (1, 3) and second > 4 else second) or 3


def parameters(graph: Graph) -> int:
    """The number of floating-point constants of the graph, biases and statistics included."""
    return sum(
        math.prod(tensor.dims)
        for tensor in graph.model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    )


def _damaged(path: Path) -> ModelError:
    return ModelError("is a damaged ONNX graph", where=str(path), hint="download it again")


def _chosen(
    what: str, name: str | None, declared: Iterable[str], known: Iterable[str], path: Path
) -> str:
    """``name``, or the only one that is ``declared``."""
    names = list(declared)
    if name is None:
        if len(names) == 1:
            return names[0]
        raise ModelError(
            f"has {len(names)} {what}s ({', '.join(names)}), not one",
            where=str(path),
            hint=f"choose one with options.{what}, or export a graph with one",
        )
    if name not in known:
        raise ModelError(
            f"has no {what} {name!r}",
            where=str(path),
            hint=did_you_mean(name, known, f"it has {', '.join(names)}"),
        )
    return name


def _between(
    graph: GraphProto, makers: dict[str, NodeProto], sink: str
) -> tuple[list[NodeProto], set[str]]:
    """The nodes that ``sink`` needs, in the graph's order, and the names of all they read."""
    tensors, frontier = {sink}, [sink]
    while frontier:
        node = makers.get(frontier.pop())
        fresh = set(_reads(node)) - tensors if node is not None else set()
        tensors |= fresh
        frontier.extend(fresh)
    return [node for node in graph.node if tensors.intersection(node.output)], tensors


def _reads(node: NodeProto) -> Iterator[str]:
    """The tensors that ``node`` reads, those of its subgraphs (If, Loop) included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from _reads(inner)
            yield from (value.name for value in body.output)


def _refuse_probabilities(makers: dict[str, NodeProto], sink: str, path: Path) -> None:
    """Probabilities are not logits: losses and margins on them mean something else."""
    node = makers.get(sink)
    for _ in makers:  # no longer, should the graph run in a circle
        if node is None or node.op_type not in _KEEPS_PROBABILITIES or not node.input:
            break
        node = makers.get(node.input[0])
    if node is not None and node.op_type in ("Softmax", "Sigmoid") and node.input:
        raise ModelError(
            f"output {sink!r} is a {node.op_type}'s: probabilities, not logits",
            where=str(path),
            hint=f"set options.output: {node.input[0]}",
        )


def _without_shape(name: str, declared: ValueInfoProto | None) -> ValueInfoProto:
    kind = declared.type.tensor_type.elem_type if declared else TensorProto.FLOAT
    return onnx.helper.make_tensor_value_info(name, kind, None)


def _fixed_batch(value: ValueInfoProto) -> int | None:
    axes = value.type.tensor_type.shape.dim
    return axes[0].dim_value or None if axes else None


def _replace(field: Any, items: Iterable[Any]) -> None:
    """Make ``items`` the whole of a repeated protobuf field."""
    kept = list(items)
    del field[:]
    field.extend(kept)
