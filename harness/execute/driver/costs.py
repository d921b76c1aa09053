"""What the parts of a run's work take, about: the scheduler shares them out by it.

Nothing is measured for it. What is known of the models' passes is used; where nothing is, a pass
counts as what it takes on a CPU for images of that size. Pure: no torch, no database.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.api import Passes
from harness.estimate.cost import cell_cost
from harness.estimate.estimate import declared_passes
from harness.estimate.passes import PassCosts
from harness.execute.driver.scheduler import LOADING, Queue
from harness.planning import Cell, Component
from harness.resolve.prepare import Resolved

CHUNK = 256
"""Saved examples that a target predicts as one item, at most."""
FORWARD = 3e-7
"""Seconds of a forward pass for one number of an image, where nothing is known of any model."""
GRADIENT = 3.0
"""What a gradient pass takes, in forward passes, where that is not known."""
PASS = 0.005
"""Seconds of a forward pass, however few images it has."""
UNDECLARED = Passes(100, 100)
"""What an image takes where nobody says."""
BYTES = 2e8
"""Bytes of weights that are loaded in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds, about.

    Attributes:
        cells: of an image, by its cell's key, where a worker has many of them.
        forwards: of an image's forward pass, by model.
        rows: images that share a pass in hardly more time than one of them takes, by model.
        alone: the keys of cells whose images share no passes: each fills some of its own.
        loading: until a worker that has no model in memory can work on it, by model.
    """

    cells: Mapping[str, float]
    forwards: Mapping[str, float]
    rows: Mapping[str, int]
    alone: frozenset[str]
    loading: Mapping[str, float]

    def queue(self, cells: Sequence[Cell], expected: int) -> Queue:
        """The queue of a task group: an item is an image of all its ``cells``.

        Args:
            cells: those of the group that are not complete.
            expected: how many images will be opened.
        """
        model = cells[0].model.name
        shared = not any(cell.key in self.alone for cell in cells)
        return Queue(
            model=model,
            cost=sum(self.cells[cell.key] for cell in cells),
            batch=max(1, self.rows[model] // len(cells)) if shared else 1,
            expected=expected,
        )

    def transfer_queue(self, model: str, images: int, expected: int) -> Queue:
        """The queue of what other models' saved examples are shown to ``model``.

        Args:
            images: how many it will see.
            expected: how many items, of at most `CHUNK` images each, will be opened for them.
        """
        cost = images / expected * self.forwards[model]
        return Queue(model=model, cost=cost, stage=1, expected=expected)


def estimated_costs(resolved: Resolved, known: Mapping[str, PassCosts]) -> Costs:
    """The costs of a plan's work.

    Args:
        known: what is known of the models' passes; a cache's content will do.
    """
    passes = _completed(resolved.plan.models, known)
    cells: dict[str, float] = {}
    for cell in resolved.plan.cells:
        declared = declared_passes(resolved, cell) or UNDECLARED
        cells[cell.key] = cell_cost(cell, 1, declared, passes[cell.model.name]).seconds
    forwards = {name: costs.forward_seconds or 0.0 for name, costs in passes.items()}
    return Costs(
        cells=cells,
        forwards=forwards,
        rows={name: _rows(seconds) for name, seconds in forwards.items()},
        alone=frozenset(
            cell.key
            for cell in resolved.plan.cells
            if cell.measurement and resolved.measurements[cell.measurement.label].rows is None
        ),
        loading={model.name: _loading(model) for model in resolved.plan.models},
    )


def _completed(models: Iterable[Component], known: Mapping[str, PassCosts]) -> dict[str, PassCosts]:
    """The seconds of every model's passes; an unknown model's are in proportion to its images."""
    models = list(models)
    rates = [
        seconds / math.prod(model.shape)
        for model in models
        if model.name in known and (seconds := known[model.name].forward_seconds)
    ]
    rate = statistics.median(rates) if rates else FORWARD
    found = {}
    for model in models:
        costs = known.get(model.name, PassCosts())
        forward = costs.forward_seconds or rate * math.prod(model.shape)
        gradient = costs.gradient_seconds or GRADIENT * forward
        found[model.name] = PassCosts(forward_seconds=forward, gradient_seconds=gradient)
    return found


def _rows(forward: float) -> int:
    return max(1, min(CHUNK, int(PASS / max(forward, 1e-9))))


def _loading(model: Component) -> float:
    parameters = model.about.get("parameters")
    return LOADING if parameters is None else 1.0 + 4 * parameters / BYTES
