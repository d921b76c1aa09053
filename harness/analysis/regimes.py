"""Frontiers of each training regime: a model against those that were trained like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.bootstrap import REPLICATES
from harness.analysis.columns import MetricColumn, Unplaced
from harness.analysis.place import Place

UNKNOWN = "unknown"
"""The regime of models that declare none."""


@dataclass(frozen=True, slots=True)
class Regimes:
    """The frontier of each training regime.

    Attributes:
        columns: by regime, with places of its models alone, and their intervals.
        nearest: by model the regime whose fit is the nearest to its robustness at its accuracy, of
            those that have a fit there; from robust accuracies none has.
    """

    columns: Mapping[str, MetricColumn]
    nearest: Mapping[str, str]

    def place(self, model: str) -> Place | None:
        """A model's place in its own regime."""
        own = (each.places[model] for each in self.columns.values() if model in each.places)
        return next(own, None)


def regimes(unplaced: Unplaced, order: Sequence[str], replicates: int | None = None) -> Regimes:
    """The frontier of each regime, fitted and resampled apart.

    Args:
        unplaced: of all models; ``order``: in which the bootstrap takes them.
        replicates: of the bootstrap; None: the usual number.
    """
    found: dict[str, list[str]] = {}
    for model, entry in unplaced.models.entries.items():
        found.setdefault(entry.training or UNKNOWN, []).append(model)
    columns = {
        training: _part(unplaced, models)
        .column()
        .with_intervals(replicates or REPLICATES, [each for each in order if each in models])
        for training, models in sorted(found.items())
    }
    return Regimes(columns, _nearest(unplaced, columns))


def _part(unplaced: Unplaced, names: Sequence[str]) -> Unplaced:
    """The metric of some models."""
    models = replace(
        unplaced.models,
        entries={name: unplaced.models.entries[name] for name in names},
        places={name: unplaced.models.places[name] for name in names},
    )
    return replace(
        unplaced,
        models=models,
        places={name: unplaced.places[name] for name in names},
        values={name: unplaced.values[name] for name in names if name in unplaced.values},
    )


def _nearest(unplaced: Unplaced, columns: Mapping[str, MetricColumn]) -> dict[str, str]:
    found = {}
    for model, entry in unplaced.models.entries.items():
        robustness = unplaced.places[model].robustness
        if robustness is None:
            continue
        point = entry.accuracy.point(model, unplaced.sign * robustness)
        if point is None:
            continue
        gaps = {
            training: abs(distance)
            for training, column in columns.items()
            if column.frontier.fit is not None
            and not column.frontier.extrapolated(point)
            and (distance := column.frontier.distance(point)) is not None
        }
        if gaps:
            found[model] = min(gaps, key=lambda training: gaps[training])
    return found
