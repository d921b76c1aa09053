"""What the scheduler is told of the work's length: by known passes, by declared ones, by size."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from harness.api import Access, Goal, Norm, Passes
from harness.estimate.passes import PassCosts
from harness.execute.driver.costs import CHUNK, FORWARD, GRADIENT, PASS, UNDECLARED, estimated_costs
from harness.execute.driver.scheduler import LOADING
from harness.planning import (
    Cell,
    Component,
    NumericPolicy,
    Plan,
    PlannedAttack,
    PlannedImage,
    PlannedMeasurement,
)

IMAGES = tuple(PlannedImage(str(number), 0) for number in range(4))
GOALS = (Goal.UNTARGETED, Goal.RANDOM)


def model(name: str, *, parameters: int | None = None, size: int = 10) -> Component:
    about = {"shape": [3, size, size], "parameters": parameters}
    return Component(name, {"classes": 10}, about)


def cells_of(model: Component) -> tuple[Cell, ...]:
    """A clean cell, an attack with two goals, two measurements."""

    def cell(task: str, **more: object) -> Cell:
        data, policy = Component("d", {}, {}), NumericPolicy()
        return Cell(f"{model.name} {task}", model, data, policy, IMAGES, **more)

    attack = PlannedAttack(
        Component("a", {}, {}), "a", Norm.L2, None, GOALS, None, keep=False, eight_bit=False
    )
    measured = [
        PlannedMeasurement(Component(name, {}, {}), name, (Goal.RANDOM,), None) for name in "st"
    ]
    return (
        cell("clean"),
        *(cell(str(goal), attack=attack, goal=goal) for goal in GOALS),
        *(cell(each.label, measurement=each, goal=Goal.RANDOM) for each in measured),
    )


def resolved(*models: Component) -> SimpleNamespace:
    def measurement(passes: Passes | None, rows: int | None) -> SimpleNamespace:
        return SimpleNamespace(passes=lambda goal, classes: passes, rows=rows)

    cells = tuple(cell for each in models for cell in cells_of(each))
    return SimpleNamespace(
        plan=Plan("suite", {}, 0, cells),
        attacks={"a": SimpleNamespace(passes=Passes(9, 7), access=Access.WHITE_BOX)},
        measurements={"s": measurement(Passes(5, 0), 2), "t": measurement(None, None)},
    )


def test_what_is_known_is_used():
    m = model("m", parameters=50_000_000)
    clean, *attacks, shared, alone = cells_of(m)
    known = {"m": PassCosts(forward_seconds=0.0001, gradient_seconds=0.0004)}
    costs = estimated_costs(resolved(m), known)
    verdict = 1
    assert costs.cells[clean.key] == 0.0001
    queue = costs.queue(attacks, 7)
    assert queue.cost == pytest.approx(2 * ((2 + verdict) * 0.0001 + 7 * 0.0004))
    assert (queue.model, queue.stage, queue.expected) == ("m", 0, 7)
    rows = round(PASS / 0.0001)
    assert queue.batch == rows // 2, "both goals of an image are in one pass"
    assert costs.queue(attacks[:1], 7).cost == pytest.approx(queue.cost / 2), "one is complete"
    assert costs.queue([shared], 7).batch == rows
    queue = costs.queue([alone], 7)
    assert queue.batch == 1, "its images share no passes"
    assert queue.cost == pytest.approx(UNDECLARED.backwards * 0.0004), "nobody says how many"
    queue = costs.transfer_queue("m", 3 * CHUNK, 3)
    assert (queue.cost, queue.stage, queue.expected) == (pytest.approx(CHUNK * 0.0001), 1, 3)
    assert costs.transfer_queue("m", 12, 2).cost == pytest.approx(6 * 0.0001), "small sets"
    assert 1 < costs.loading["m"] < LOADING


def test_what_is_not_known_goes_by_the_size_of_the_images():
    small, large = model("small"), model("large", size=20)
    costs = estimated_costs(resolved(small, large), {})
    assert costs.forwards["small"] == pytest.approx(FORWARD * 300)
    assert costs.forwards["large"] == pytest.approx(4 * costs.forwards["small"])
    clean, attack, *_ = cells_of(small)
    share = costs.cells[attack.key] / costs.cells[clean.key]
    assert share == pytest.approx(2 + 1 + 7 * GRADIENT)
    assert costs.loading["small"] == LOADING


def test_models_that_are_known_say_how_fast_the_device_is():
    known = {"a": PassCosts(forward_seconds=300.0), "b": PassCosts(1.0, 2.0)}
    costs = estimated_costs(resolved(model("a"), model("b"), model("c", size=20)), known)
    assert costs.forwards == {"a": 300.0, "b": 300.0, "c": 1200.0}
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in costs.cells.values())
