"""The embedded suites: digits18, and the longer one that it is the short form of."""

from __future__ import annotations

import hashlib
from typing import Any

from harness.api import Goal
from harness.plugins import installed
from harness.registry import load
from harness.registry.suites import SuiteEntry
from harness.resolve.prepare import prepare
from harness.resolve.request import Request


def test_the_full_suites_cells_are_those_that_digits18_had_in_version_0_1_0() -> None:
    cells = prepare(Request(suite="digits18-full"), load([]), installed()).plan.cells
    keys = "\n".join(sorted(cell.key for cell in cells))
    assert len(cells) == 450
    assert hashlib.sha256(keys.encode()).hexdigest() == (
        "cfcf61e6f9a7a6a178452fee53bb6171cf17109eba2dfa23cb8d1330d17b830a"
    )


def test_the_short_suite_differs_in_effort_alone() -> None:
    registry = load([])
    short, full = (without_effort(registry.get_suite(f"digits18{end}")) for end in ("", "-full"))
    assert short == full


def test_the_robust_suite_is_autoattack_and_smallest_distances() -> None:
    plan = prepare(Request(suite="digits-robust"), load([]), installed()).plan
    attacks = {cell.task.label: cell.task for cell in plan.cells if cell.goal is not None}
    assert list(attacks) == ["autoattack-linf epsilon=0.02 queries=1000", "fmn-linf"]
    assert [each.budget for each in attacks.values()] == [0.02, None]
    assert {cell.goal for cell in plan.cells if cell.goal is not None} == {Goal.UNTARGETED}
    assert len({cell.model.name for cell in plan.cells}) == 8


def without_effort(suite: SuiteEntry) -> dict[str, Any]:
    """What a suite asks for, apart from how long is searched and for how many images."""
    fields = suite.model_dump(exclude={"name", "source", "summary", "images"})
    for entry in [*fields["attacks"], *fields["measurements"]]:
        del entry["images"]
        for effort in ("search_steps", "iterations", "initial_const", "batches", "samples"):
            entry["parameters"].pop(effort, None)
    return fields
