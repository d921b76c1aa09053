"""The queues of a run: one for each task group of each model, and one for each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.execute.driver.costs import CHUNK, Costs
from harness.execute.driver.scheduler import Queue
from harness.execute.pending import Pending
from harness.execute.shards import task_groups
from harness.planning import Cell, Plan


@dataclass(frozen=True, slots=True)
class Queues:
    """Queues with nothing in them yet, and what is expected.

    Attributes:
        cells: by model, those of its task groups in their order.
        targets: of what models have yet to see of others, by the keys of their clean cells.
    """

    cells: Mapping[str, Sequence[Queue]]
    targets: Mapping[str, Queue]

    @property
    def all(self) -> list[Queue]:
        """In the order of the plan."""
        own = [queue for queues in self.cells.values() for queue in queues]
        return [*own, *self.targets.values()]


def queues_of(plan: Plan, left: Pending, costs: Costs) -> Queues:
    """The queues of what is ``left`` of a plan.

    Where saved examples are not kept for long, showing them comes before anything else.
    """
    cells: dict[str, list[Queue]] = {}
    for model in plan.models:
        groups = task_groups(plan.of(model))
        cells[model.name] = [_own(group, left, costs) for group in groups]
        _measure_spans(groups, cells[model.name])
    images, expected = Counter[str](), Counter[str]()
    for part, count in left.transfers:
        images[part.target.key] += count
        expected[part.target.key] += -(-count // CHUNK)
    streams = plan.transfer is not None and not plan.transfer.keep_sets
    targets = {
        cell.key: costs.transfer_queue(cell.model.name, images[cell.key], expected[cell.key])
        for cell in plan.cells
        if expected[cell.key]
    }
    for queue in targets.values():
        queue.stage = -1 if streams else queue.stage
    return Queues(cells, targets)


def _own(group: Sequence[Cell], left: Pending, costs: Costs) -> Queue:
    """The queue of one of a model's task groups."""
    pending = [cell for cell in group if left.cells[cell.key]] or group
    images = {image for cell in group for image in left.cells[cell.key]}
    return costs.queue(pending, len(images))


def _measure_spans(groups: Sequence[Sequence[Cell]], queues: Sequence[Queue]) -> None:
    """What waits for clean predictions, and for an attack that measurements start from."""
    for group, queue in zip(groups, queues, strict=True):
        if start := starting_attack(group):
            for other, attack in zip(groups, queues, strict=True):
                if other[0].attack is not None and other[0].attack.label == start:
                    attack.after = max(attack.after, queue.span)
    clean, *others = queues
    clean.after = max((queue.span for queue in others if queue.expected), default=0.0)


def starting_attack(group: Sequence[Cell]) -> str | None:
    """The label of the attack that has to end before the group begins."""
    measurement = group[0].measurement
    start = measurement and measurement.starts_from
    return None if start is None else start.label
