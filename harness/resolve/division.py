"""A plan divided into parts, which machines that know nothing of each other compute."""

from __future__ import annotations

from dataclasses import replace

from harness.part import Part
from harness.planning import Plan


def cut(plan: Plan, part: Part) -> Plan:
    """The part of ``plan``: the same cells, with every n-th of their images; possibly none.

    Everything that an image needs (clean prediction, attacks, measurements, transfers) is in its
    part.
    """
    cells = tuple(replace(cell, images=tuple(part.take(cell.images))) for cell in plan.cells)
    return replace(plan, cells=cells, part=part, whole=plan)
