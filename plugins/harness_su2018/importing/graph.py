"""A frozen TensorFlow graph: where its image enters, where its logits are, and what is between.

Works on ``GraphDef`` messages; only `check_operations` needs TensorFlow itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from math import prod
from typing import Any

from harness.api import ModelError

Nodes = Mapping[str, Any]
_FLOAT, _STRING, _RESOURCE, _VARIANT = 1, 7, 20, 21
_MANY = 6


def producer(reference: str) -> str:
    """The node that makes a tensor: ``a/b`` of ``a/b:0``, ``a/b`` or ``^a/b``."""
    return reference.removeprefix("^").partition(":")[0]


def tensor(reference: str) -> str:
    """A tensor's full name: ``a/b:0`` of ``a/b``."""
    return reference if ":" in reference else f"{reference}:0"


def nodes_of(graph: Any) -> Nodes:
    """The graph's nodes by name; every node that one reads is there.

    Raises:
        ModelError: the graph is empty, or part of it is missing.
    """
    nodes = {node.name: node for node in graph.node}
    if not nodes:
        raise ModelError("holds no nodes: not a frozen TensorFlow graph")
    for node in nodes.values():
        for reference in node.input:
            if producer(reference) not in nodes:
                raise ModelError(
                    f"node {node.name!r} reads {reference!r}, which is missing: cut off?",
                    hint="fetch or freeze it again",
                )
    return nodes


def ancestors(nodes: Nodes, sink: str, *, stop: str | None = None) -> set[str]:
    """``sink`` and the nodes that it is computed from, up to ``stop``. Control edges carry no
    data."""
    found, open_ = {sink}, [sink]
    while open_:
        name = open_.pop()
        fresh = set() if name == stop else {producer(read) for read in _data(nodes[name])} - found
        found |= fresh
        open_.extend(fresh)
    return found


def find_logits(nodes: Nodes, *, asked: str | None = None, known: str | None = None) -> str:
    """The logits: the user's choice, the ``known`` tensor if it is there, or what the last softmax
    reads.

    Raises:
        ModelError: there is no such tensor, no softmax, or no single last one.
    """
    if asked is not None:
        return _existing(nodes, asked, "--logits")
    if known is not None and producer(known) in nodes:
        return known
    hint = "choose the logits with --logits TENSOR"
    softmaxes = [name for name, node in nodes.items() if node.op == "Softmax"]
    if not softmaxes:
        read = {producer(reference) for node in nodes.values() for reference in node.input}
        ends = [name for name in nodes if name not in read]
        raise ModelError(f"has no softmax (its ends: {_listed(ends)})", hint=hint)
    before = set().union(*(ancestors(nodes, name) - {name} for name in softmaxes))
    last = [name for name in softmaxes if name not in before]
    if len(last) != 1:
        raise ModelError(f"has {len(last)} last softmaxes: {_listed(last)}", hint=hint)
    return tensor(nodes[last[0]].input[0])


def find_input(
    nodes: Nodes, logits: str, *, asked: str | None = None, known: str | None = None
) -> str:
    """The image's tensor: the user's choice, the ``known`` one, or the only placeholder.

    Raises:
        ModelError: there is no such tensor, or not one placeholder that the logits depend on.
    """
    if asked is not None:
        return _existing(nodes, asked, "--input")
    above = ancestors(nodes, producer(logits))
    if known is not None and producer(known) in above:
        return known
    placeholders = [name for name in above if nodes[name].op == "Placeholder"]
    if len(placeholders) != 1:
        found = f"{len(placeholders)} placeholders: {_listed(sorted(placeholders))}"
        raise ModelError(
            f"the logits {logits!r} depend on {found}" if placeholders else "has no placeholder",
            hint="choose the image's tensor with --input TENSOR",
        )
    return tensor(placeholders[0])


def declared_size(node: Any) -> tuple[int, int] | None:
    """Height and width that the input's node fixes; None where it leaves one open.

    Raises:
        ModelError: it takes no RGB images, channels last.
    """
    axes = [axis.size for axis in node.attr["shape"].shape.dim]
    if node.op != "Placeholder" or node.attr["shape"].shape.unknown_rank or not axes:
        return None
    if len(axes) != 4 or axes[3] not in (-1, 3):
        shape = ", ".join("?" if axis < 0 else str(axis) for axis in axes)
        raise ModelError(
            f"input {node.name!r} is ({shape}), not (images, height, width, 3)",
            hint="choose the image's tensor with --input TENSOR",
        )
    return (axes[1], axes[2]) if min(axes[1:3]) > 0 else None


def between(graph: Any, nodes: Nodes, source: str, sink: str, size: tuple[int, int]) -> Any:
    """A new graph from a placeholder at ``source``, float32 (any, \\*size, 3), to ``sink``.

    Control edges (assertions, updates) and everything that the logits do not need stay out.

    Raises:
        ModelError: the logits do not depend on the input, or on more than it.
    """
    start = producer(source)
    wanted = ancestors(nodes, producer(sink), stop=start)
    if start not in wanted or start == producer(sink):
        raise ModelError(f"the logits {sink!r} do not depend on the input {source!r}")
    others = sorted(n for n in wanted - {start} if nodes[n].op == "Placeholder")
    if others:
        raise ModelError(f"the logits {sink!r} need more than {source!r}: {_listed(others)}")
    result = type(graph)(versions=graph.versions)
    for name, node in nodes.items():
        if name == start:
            image = result.node.add(name=name, op="Placeholder")
            image.attr["dtype"].type = _FLOAT
            for axis in (-1, *size, 3):
                image.attr["shape"].shape.dim.add(size=axis)
        elif name in wanted:
            copy = result.node.add()
            copy.CopyFrom(node)
            copy.device = ""
            del copy.input[:]
            copy.input.extend(_data(node))
    return result


def check_operations(graph: Any) -> None:
    """Refuse operations that could do more than compute: state, files, functions, text.

    A TensorFlow graph is a program. One that is frozen for inference needs none of these.

    Raises:
        ModelError: it has one, or one that TensorFlow does not know.
    """
    registry = import_module("tensorflow.python.framework.op_def_registry")
    for node in graph.node:
        definition = registry.get(node.op)
        if definition is None:
            reason = "is unknown to TensorFlow"
        elif definition.is_stateful:
            reason = "has state or effects"
        elif any(value.HasField("func") or value.list.func for value in node.attr.values()):
            reason = "calls a function"
        elif not _kinds(node, definition).isdisjoint({_STRING, _RESOURCE, _VARIANT}):
            reason = "handles text or resources"
        else:
            continue
        raise ModelError(
            f"operation {node.op} ({node.name!r}) {reason}: refused",
            hint="freeze the graph for inference",
        )


def parameters(graph: Any) -> int:
    """Numbers in the graph's float constants, batch norms' statistics included, scalars not."""
    return sum(
        prod(axis.size for axis in shape.dim)
        for node in graph.node
        if node.op == "Const" and node.attr["dtype"].type == _FLOAT
        and (shape := node.attr["value"].tensor.tensor_shape).dim
    )  # fmt: skip


def _data(node: Any) -> list[str]:
    return [reference for reference in node.input if not reference.startswith("^")]


def _kinds(node: Any, definition: Any) -> set[int]:
    arguments = (*definition.input_arg, *definition.output_arg)
    kinds = {argument.type for argument in arguments}
    for value in node.attr.values():
        kinds |= {value.type, *value.list.type}
    return kinds


def _existing(nodes: Nodes, name: str, option: str) -> str:
    if producer(name) in nodes:
        return tensor(name)
    near = difflib.get_close_matches(producer(name), list(nodes), n=1)
    raise ModelError(
        f"has no tensor {name!r}",
        hint=f"did you mean {option} {tensor(near[0])}?" if near else f"correct {option}",
    )


def _listed(names: Iterable[str]) -> str:
    all_ = list(names)
    more = [f"and {len(all_) - _MANY} more"] if len(all_) > _MANY else []
    return ", ".join([*map(repr, all_[:_MANY]), *more])
