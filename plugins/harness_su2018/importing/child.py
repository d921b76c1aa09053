"""The part that needs TensorFlow, run as a process of its own: ``python -m ... REQUEST``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from harness.api import ModelError
from harness_su2018.importing import graph as graphs
from harness_su2018.importing.process import one_line, respond

OPSET = 13
"""The newest whose operators onnx2torch 1.5 all knows."""
IMAGES = 3
RESULT, ONNX, ARRAYS = "result.json", "graph.onnx", "arrays.npz"


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is asked.

    Attributes:
        path: the frozen graph.
        folder: where RESULT, ONNX and ARRAYS are written.
        input, logits: the user's choice of tensors.
        known_input, known_logits: those of a known model; taken if the graph has them.
        size: of the input, (height, width), where the graph leaves it open.
        mean, std: the normalisation of the random images, RGB.
        threads: for TensorFlow's operations.
    """

    path: str
    folder: str
    input: str | None
    logits: str | None
    known_input: str | None
    known_logits: str | None
    size: tuple[int, int] | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    threads: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the child found: RESULT.

    Attributes:
        input, logits: names of the graph's tensors.
        size: (height, width).
        outputs: the number of logits.
        nodes: of the part between the two.
        parameters: see `harness_su2018.importing.graph.parameters`.
    """

    input: str
    logits: str
    size: tuple[int, int]
    outputs: int
    nodes: int
    parameters: int


def main(request: Request) -> Found:
    """Write ONNX (input ``image``, float32 NCHW, output ``logits``) and ARRAYS: ``images`` (3, 3,
    height, width) and TensorFlow's ``logits`` (3, outputs) of them.

    Raises:
        ModelError: the graph cannot be read, converted or run.
    """
    graph = _read(Path(request.path))
    nodes = graphs.nodes_of(graph)
    logits = graphs.find_logits(nodes, asked=request.logits, known=request.known_logits)
    source = graphs.find_input(nodes, logits, asked=request.input, known=request.known_input)
    size = graphs.declared_size(nodes[graphs.producer(source)]) or request.size
    if size is None:
        raise ModelError(f"input {source!r} leaves its size open", hint="say it with --size")
    # A fresh placeholder also frees a batch of 1 that the graph fixed.
    graph = graphs.between(graph, nodes, source, logits, size)
    source = f"{graphs.producer(source)}:0"
    graphs.check_operations(graph)
    images = _images(size, request)
    values = _run(graph, source, logits, images, request.threads)
    folder = Path(request.folder)
    (folder / ONNX).write_bytes(_convert(graph, source, logits).SerializeToString())
    np.savez(folder / ARRAYS, images=images.transpose(0, 3, 1, 2), logits=values)
    return Found(source, logits, size, values.shape[1], len(graph.node), graphs.parameters(graph))


def _read(path: Path) -> Any:
    graph = import_module("tensorflow").compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelError(
            "is not a frozen TensorFlow graph, or cut off", hint="fetch or freeze it again"
        ) from error
    return graph


def _images(size: tuple[int, int], request: Request) -> np.ndarray[Any, Any]:
    """Random pixels in the network's input space, (IMAGES, height, width, 3)."""
    pixels = np.random.default_rng(0).random((IMAGES, *size, 3))
    return ((pixels - request.mean) / request.std).astype(np.float32)


def _run(
    graph: Any, source: str, logits: str, images: np.ndarray[Any, Any], threads: int
) -> np.ndarray[Any, Any]:
    """TensorFlow's logits, image by image, for the graph may insist on a batch of 1."""
    tf = import_module("tensorflow")
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
    )
    try:
        with tf.Graph().as_default() as place:
            tf.import_graph_def(graph, name="")
            with tf.compat.v1.Session(graph=place, config=config) as session:
                values = [session.run(logits, {source: images[i : i + 1]}) for i in range(IMAGES)]
    except (tf.errors.OpError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"TensorFlow cannot run it: {one_line(error)}") from error
    if values[0].ndim != 2 or len(values[0]) != 1 or values[0].dtype != np.float32:
        raise ModelError(
            f"{logits!r} is {values[0].dtype} {values[0].shape} for one image, not float32 "
            "(1, classes)",
            hint="choose the logits with --logits TENSOR",
        )
    return np.concatenate(values)


def _convert(graph: Any, source: str, logits: str) -> Any:
    import onnx

    try:
        model, _ = import_module("tf2onnx.convert").from_graph_def(
            graph,
            name="frozen graph",
            input_names=[source],
            output_names=[logits],
            inputs_as_nchw=[source],
            opset=OPSET,
            tensors_to_rename={source: "image", logits: "logits"},
        )
    except Exception as error:
        raise ModelError(f"tf2onnx cannot convert it: {one_line(error)}") from error
    # tf2onnx leaves what it does not know as it was.
    unknown = {n.op_type for n in model.graph.node if not onnx.defs.has(n.op_type, n.domain)}
    if unknown:
        raise ModelError(f"tf2onnx cannot convert {', '.join(sorted(unknown))}")
    return model


if __name__ == "__main__":
    asked = Request(**json.loads(sys.argv[1]))
    respond(Path(asked.folder) / RESULT, lambda: asdict(main(asked)))
