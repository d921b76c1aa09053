"""The rest of a measurement, in a process that has no torch and that others use after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.api import PluginError
from harness.engine.shared import PYTHON_ASPECTS, Snapshot


def worked_out(function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``, which leaves the process as it was.

    Raises:
        PluginError: it did not.
    """
    before = Snapshot(PYTHON_ASPECTS)
    try:
        value = function(*arguments)
    finally:
        found = before.put_back()
    if found:
        raise PluginError(f"the rest of the measurement changed {', '.join(found)}")
    return value
