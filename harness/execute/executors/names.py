"""What the executors are called."""

from __future__ import annotations

from collections.abc import Mapping

AUTO = "auto"
"""Whichever fits the devices and the work."""

BUILT_IN: Mapping[str, str] = {
    "inline": "One worker in the process of the run",
    "processes": "A process per GPU, or per share of the CPU cores",
}
"""Those that need no plugin, with their summaries."""
