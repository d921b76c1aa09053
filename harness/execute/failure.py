"""One line for what ended a stretch of work."""

from __future__ import annotations

import traceback
from pathlib import Path

from harness.errors import HarnessError
from harness.traces import show


def failure(error: Exception) -> str:
    """One line; of what nobody foresaw also where it was raised. See `contained.cause` too."""
    show(error)
    if isinstance(error, HarnessError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return " ".join(f"{type(error).__name__}: {error} ({place})".split())
