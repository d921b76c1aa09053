"""One frozen graph to ONNX, through a child process that has TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from harness.errors import MissingError, ModelError
from harness.importing.child import ARRAYS, ONNX, RESULT, Found, Request

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


def require() -> None:
    """Raise `MissingError` unless TensorFlow and tf2onnx are installed; loads neither."""
    missing = [name for name in ("tensorflow", "tf2onnx") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            hint="pip install 'frontier-harness[paper]'",
        )


def convert(request: Request) -> Converted:
    """Read, find, run and convert, in a process of its own.

    Raises:
        ModelError: the graph cannot be read, converted or run, or crashed TensorFlow.
    """
    folder = Path(request.folder)
    for name in (RESULT, ONNX, ARRAYS):
        (folder / name).unlink(missing_ok=True)
    done = subprocess.run(
        # -P: nothing in the current folder is imported.
        [sys.executable, "-P", "-m", "harness.importing.child", json.dumps(asdict(request))],
        env=_environment(request.threads),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if not (folder / RESULT).exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"TensorFlow ended with code {done.returncode}: {last[:300]}")
    answer = json.loads((folder / RESULT).read_text())
    if "found" not in answer:
        raise ModelError(answer["what"], hint=answer.get("hint"))
    found = Found(**{**answer["found"], "size": tuple(answer["found"]["size"])})
    with np.load(folder / ARRAYS) as arrays:
        return Converted(found, onnx.load(folder / ONNX), arrays["images"], arrays["logits"])


def _environment(threads: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
    }
