"""Tables of a suite's models under one attack and goal that have no frontier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.common import Common
from harness.analysis.results import Trial
from harness.report.presentation import ResultTable


def trial_title(trial: Trial, what: str) -> str:
    """The title of a table; ``what`` it has of the models."""
    return f"{trial.suite}: {what} under {trial.attack.label}, goal {trial.goal}"


def trial_table(
    name: str,
    trial: Trial,
    common: Common | None,
    *,
    selection: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> ResultTable:
    """What its JSON says besides the rows; ``selection`` and ``more`` as in `ResultTable`."""
    chosen = {
        "attack": trial.attack.label,
        "goal": trial.goal,
        "seed": trial.seed,
        "images": "common" if common else "all",
    }
    return ResultTable(
        name,
        trial.suite,
        {**chosen, **(selection or {})},
        more={"dataset": trial.dataset, **(more or {})},
    )
