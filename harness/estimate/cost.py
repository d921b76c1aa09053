"""What a plan costs before it runs: passes, FLOPs, hours, bytes. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.api import Access, Passes
from harness.estimate.passes import PassCosts
from harness.planning import Cell

CLEAN = Passes(1, 0)
"""What a clean prediction takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of cells; a sum leaves out what is unknown, and names the models it is unknown for.

    Attributes:
        images: to compute.
        forwards, backwards: of their attacks, at most, as outcomes count them.
        flops, seconds: of these passes and of the verdicts'. Not of the attacks' own arithmetic.
        kept_bytes: of the adversarial images that are kept, those of all images.
        without_passes: labels of attacks and measurements that do not declare how many they take.
        without_flops, without_seconds: names of models; those of ``without_passes`` count too.
    """

    images: int = 0
    forwards: int = 0
    backwards: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    kept_bytes: int = 0
    without_passes: frozenset[str] = frozenset()
    without_flops: frozenset[str] = frozenset()
    without_seconds: frozenset[str] = frozenset()

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            images=self.images + other.images,
            forwards=self.forwards + other.forwards,
            backwards=self.backwards + other.backwards,
            flops=self.flops + other.flops,
            seconds=self.seconds + other.seconds,
            kept_bytes=self.kept_bytes + other.kept_bytes,
            without_passes=self.without_passes | other.without_passes,
            without_flops=self.without_flops | other.without_flops,
            without_seconds=self.without_seconds | other.without_seconds,
        )


def within(passes: Passes | None, budget: int | None, access: Access) -> Passes | None:
    """The most that an image takes of ``passes`` (None: unknown) within a budget (None: no bound).

    What costs most of it: as many backward passes as there may be.
    """
    if budget is None or (passes and passes.forwards + passes.backwards <= budget):
        return passes
    backwards = budget // 2 if access is Access.WHITE_BOX else 0
    backwards = min(backwards, passes.backwards) if passes else backwards
    forwards = budget - backwards
    return Passes(min(forwards, passes.forwards) if passes else forwards, backwards)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, Cost())


def cell_cost(cell: Cell, pending: int, passes: Passes | None, costs: PassCosts) -> Cost:
    """The cost of a cell's ``pending`` images.

    Args:
        passes: the most that an image takes; None where it is not declared.
    """
    kept = len(cell.images) * kept_bytes(cell)
    if not pending:
        return Cost(kept_bytes=kept)
    model, attack = cell.model.name, cell.attack
    if passes is None:
        return Cost(
            images=pending,
            kept_bytes=kept,
            without_passes=frozenset({cell.task.label if cell.task else model}),
            without_flops=frozenset({model}),
            without_seconds=frozenset({model}),
        )
    verdicts = 0 if attack is None else 1 + attack.eight_bit
    flops = _sum(passes, verdicts, costs.forward_flops, costs.gradient_flops)
    seconds = _sum(passes, verdicts, costs.forward_seconds, costs.gradient_seconds)
    return Cost(
        images=pending,
        forwards=pending * passes.forwards,
        backwards=pending * passes.backwards,
        flops=pending * (flops or 0.0),
        seconds=pending * (seconds or 0.0),
        kept_bytes=kept,
        without_flops=frozenset() if flops is not None else frozenset({model}),
        without_seconds=frozenset() if seconds is not None else frozenset({model}),
    )


def forwards_cost(model: str, pending: int, costs: PassCosts) -> Cost:
    """The cost of ``pending`` predictions alone, such as those of transfers."""
    if not pending:
        return Cost()
    flops, seconds = costs.forward_flops, costs.forward_seconds
    return Cost(
        images=pending,
        forwards=pending,
        flops=pending * (flops or 0.0),
        seconds=pending * (seconds or 0.0),
        without_flops=frozenset() if flops is not None else frozenset({model}),
        without_seconds=frozenset() if seconds is not None else frozenset({model}),
    )


def kept_bytes(cell: Cell) -> int:
    """Bytes of one of the cell's adversarial images, float32; 0 where they are not kept."""
    if cell.attack is None or not cell.attack.keep:
        return 0
    return 4 * math.prod(cell.model.shape)


def _sum(
    passes: Passes, verdicts: int, forward: float | None, gradient: float | None
) -> float | None:
    """What an image costs; None where the price of a pass that it needs is unknown."""
    alone = passes.forwards - passes.backwards + verdicts
    if (alone and forward is None) or (passes.backwards and gradient is None):
        return None
    return alone * (forward or 0.0) + passes.backwards * (gradient or 0.0)
