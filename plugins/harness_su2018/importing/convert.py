"""One frozen graph to ONNX, through a child process that has TensorFlow."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from harness_su2018.importing.child import ARRAYS, ONNX, RESULT, Found, Request
from harness_su2018.importing.process import ask

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted graph and what TensorFlow computes with it.

    Attributes:
        images: float32 (n, 3, height, width), in the network's input space.
        logits: TensorFlow's, float32 (n, outputs).
    """

    found: Found
    model: ModelProto
    images: np.ndarray[Any, Any]
    logits: np.ndarray[Any, Any]


def convert(request: Request) -> Converted:
    """Read, find, run and convert, in a process of its own.

    Raises:
        ModelError: the graph cannot be read, converted or run, or crashed TensorFlow.
    """
    folder = Path(request.folder)
    for name in (ONNX, ARRAYS):
        (folder / name).unlink(missing_ok=True)
    answer = ask(
        "harness_su2018.importing.child",
        json.dumps(asdict(request)),
        folder / RESULT,
        request.threads,
    )
    found = Found(**{**answer, "size": tuple(answer["size"])})
    with np.load(folder / ARRAYS) as arrays:
        return Converted(found, onnx.load(folder / ONNX), arrays["images"], arrays["logits"])
