"""A child process that has TensorFlow, from both of its ends.

TensorFlow and Triton (which torch and onnx2torch load) each bring an LLVM; together in one process
they abort. A file that crashes TensorFlow takes down only the child, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.api import HarnessError, MissingError, ModelError


def require() -> None:
    """Raise `MissingError` unless TensorFlow and tf2onnx are installed; loads neither."""
    missing = [name for name in ("tensorflow", "tf2onnx") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            hint="pip install 'frontier-harness[paper]'",
        )


def ask(module: str, argument: str, result: Path, threads: int) -> dict[str, Any]:
    """Run ``python -m module argument`` and return what it found, which it writes to ``result``.

    Raises:
        ModelError: what the child raised, or it crashed.
    """
    result.unlink(missing_ok=True)
    done = subprocess.run(
        # -P: nothing in the current folder is imported.
        [sys.executable, "-P", "-m", module, argument],
        env=_environment(threads),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if not result.exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"TensorFlow ended with code {done.returncode}: {last[:300]}")
    answer: dict[str, Any] = json.loads(result.read_text())
    if "found" not in answer:
        raise ModelError(answer["what"], hint=answer.get("hint"))
    found: dict[str, Any] = answer["found"]
    return found


def respond(result: Path, main: Callable[[], dict[str, Any]]) -> None:
    """The child's end: what ``main`` finds or raises, to ``result``."""
    answer: dict[str, Any]
    try:
        answer = {"found": main()}
    except HarnessError as error:
        answer = {"what": error.what, "hint": error.hint}
    except (MemoryError, OSError) as error:
        answer = {"what": one_line(error) if isinstance(error, OSError) else "not enough memory"}
    result.write_text(json.dumps(answer))


def one_line(error: Exception) -> str:
    """What an error says, in one line that is not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def _environment(threads: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
    }
