"""A run as trackers take it: names with numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.api import ModelRow, RunStarted

SHOWN = ("robust_accuracy", "success", "distortion_mean", "distortion_median_all",
         "frontier_distance")  # fmt: skip
"""Of a leaderboard's rows; each is logged with the ends of its interval where it has one."""


def settings(run: RunStarted) -> dict[str, Any]:
    """What was run, without the cells."""
    facts = asdict(run)
    del facts["cells"]
    return facts | {"models": ", ".join(run.models)}


def of_model(row: ModelRow) -> dict[str, float]:
    """A model's numbers as soon as its cells are stored."""
    under = f"{row.model}/{_name(row.attack)}/{_name(row.goal)}"
    return _finite(
        {
            f"{row.model}/top1": row.top1,
            f"{under}/success": row.success,
            f"{under}/robust_accuracy": row.robust_accuracy,
            f"{under}/distortion_median_all": row.median,
        }
    )


def of_summary(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of all leaderboards of a run's summary."""
    found: dict[str, float | None] = {
        f"images/{status}": count for status, count in summary["counts"].items()
    }
    for table in summary["leaderboards"]:
        for row in table["rows"]:
            under = f"{row['model']}/{_name(table['attack'])}/{_name(table['goal'])}"
            found[f"{row['model']}/top1"] = row["top1"]
            for key in SHOWN:
                for end in ("", "_low", "_high"):
                    found[f"{under}/{key}{end}"] = row.get(key + end)
    return _finite(found)


def _finite(numbers: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: value for name, value in numbers.items() if value is not None and math.isfinite(value)
    }


def _name(text: str) -> str:
    """``ifgsm epsilon=0.1`` as ``ifgsm_epsilon_0.1``: characters that every tracker takes."""
    return re.sub(r"[^\w.-]+", "_", text)
