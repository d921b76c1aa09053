"""What the classes of metrics and measurements declare of their columns on leaderboards."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from harness.api import NORMS, Metric, PluginError
from harness.api.columns import LeaderboardColumn
from harness.contained import cause, contained
from harness.plugins import Kind, installed

_DISTANCE = LeaderboardColumn(higher_is_more_robust=True)
"""Of a score whose name begins with a norm: it bounds distortions."""
_PLAIN = LeaderboardColumn(on=("leaderboard",))


def of_metric(metric: Metric) -> LeaderboardColumn | None:
    """The column of a metric; None: it is in JSON alone.

    Raises:
        PluginError: it declares something else.
    """
    declared = metric.leaderboard_column
    if declared is not None and not isinstance(declared, LeaderboardColumn):
        raise PluginError(
            f"its leaderboard_column is {type(declared).__name__}, not LeaderboardColumn"
        )
    return declared


def of_measurement(name: str) -> Mapping[str, LeaderboardColumn]:
    """The columns of a measurement's scores, by name; none where no plugin provides it any more."""
    registration = installed().find(Kind.MEASUREMENT, name)
    if registration is None:
        return {}
    try:
        with contained("it"):
            declared = registration.load().leaderboard_columns
        if not isinstance(declared, Mapping) or not all(
            isinstance(each, LeaderboardColumn) for each in declared.values()
        ):
            raise PluginError(
                "its leaderboard_columns are not a mapping of names to LeaderboardColumn"
            )
    except Exception as error:
        what = f"the columns of measurement {name!r} of {registration.who} are not as it declares"
        warnings.warn(f"{what}: {cause('it', error)}", stacklevel=2)
        return {}
    return declared


def of_score(declared: Mapping[str, LeaderboardColumn], score: str) -> LeaderboardColumn:
    """The column of one of a measurement's scores, given what `of_measurement` found."""
    if score in declared:
        return declared[score]
    return _DISTANCE if score.partition(".")[0] in NORMS else _PLAIN
