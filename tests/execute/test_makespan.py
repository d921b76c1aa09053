"""The makespan of whole suites on many devices, by the scheduler itself and a clock that counts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.selection import request
from harness.estimate.passes import PassCosts, slowed
from harness.execute.driver.costs import Costs, estimated_costs
from harness.execute.driver.makespan import Lengths, Makespan, _rounds, makespan
from harness.execute.pending import Pending, everything
from harness.planning import Plan
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import Resolved, draft
from harness_datasets import lists

COSTS = Path(__file__).parent / "data" / "imagenet18_costs.json"
"""By benchmarks/pass_costs.py."""
GPU = 500
"""How many times faster than one core of a CPU the devices are."""

Suite = tuple[Plan, Pending, Costs]


def prepared(suite: str, **options: list[str]) -> Resolved:
    asked = request(suite=suite, models=None, **options)
    return draft(asked, load(), installed()).resolved


@pytest.fixture(scope="module")
def imagenet18(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """All of it: 18 models, 26 attacks with their goals, CLEVER and divergence, all transfers."""
    photos = tmp_path_factory.mktemp("photos")
    for name in lists.names():
        (photos / name).touch()
    resolved = prepared("imagenet18", data=[f"imagenet={photos}"])
    known = {
        name: slowed(PassCosts(**costs), 1 / GPU)
        for name, costs in json.loads(COSTS.read_text())["models"].items()
    }
    return resolved.plan, everything(resolved.plan), estimated_costs(resolved, known)


@pytest.fixture(scope="module")
def digits18() -> Suite:
    resolved = prepared("digits18")
    known = {
        model.name: PassCosts(forward_seconds=0.0001, gradient_seconds=0.0003)
        for model in resolved.plan.models
    }
    return resolved.plan, everything(resolved.plan), estimated_costs(resolved, known)


def drawn(seed: int, draw: Callable[[random.Random], float]) -> Lengths:
    dice = random.Random(seed)
    return lambda queue, item: draw(dice)


def within(found: Makespan) -> None:
    """What is promised: 5 % above what no scheduler can beat, and few loads.

    The bound is the larger of an even share of the work and the longest chain: a model is loaded,
    an image is predicted, and attacked alone. In the share nothing is loaded and all passes are
    full; the makespan has both as they come.
    """
    assert found.bound <= found.seconds <= 1.05 * found.bound, found
    assert found.busy >= found.work
    # The 18 at least, and for each device the one it begins with and what others leave at the end.
    assert found.loads <= 18 + 3.5 * found.devices, found


@pytest.mark.parametrize("devices", [8, 64, 512])
def test_the_study_on_many_devices(imagenet18: Suite, devices: int) -> None:
    within(makespan(*imagenet18, devices))


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda dice: dice.uniform(0.7, 1.3), id="30 percent"),
        pytest.param(lambda dice: dice.lognormvariate(-0.28125, 0.75), id="heavy tail"),
    ],
)
def test_nobody_knows_how_long_an_item_takes(imagenet18: Suite, draw) -> None:
    within(makespan(*imagenet18, 64, lengths=drawn(0, draw)))


def test_two_workers_are_busy_to_the_end(digits18: Suite) -> None:
    found = makespan(*digits18, 2)
    assert found.idle <= 0.1
    assert found.loads <= 18 + 2
    assert makespan(*digits18, 2, lengths=drawn(1, lambda dice: dice.uniform(0.7, 1.3))).idle <= 0.1


def test_one_worker_loads_each_model_once_and_wastes_nothing(digits18: Suite) -> None:
    plan, left, costs = digits18
    found = makespan(plan, left, costs, 1)
    assert found.loads == 18
    assert found.idle == pytest.approx(0)
    assert found.seconds == pytest.approx(found.busy)
    assert found.work < found.seconds


def test_nothing_to_do_takes_no_time(digits18: Suite) -> None:
    plan, left, costs = digits18
    none = Pending({key: [] for key in left.cells}, [(part, 0) for part, _ in left.transfers])
    found = makespan(plan, none, costs, 3)
    assert (found.seconds, found.bound, found.leases) == (0, 0, 0)
    assert (found.efficiency, found.idle) == (1, 0)


def test_what_is_left_is_what_counts(digits18: Suite) -> None:
    """Half of the images of every cell are stored, all clean predictions among them."""
    plan, left, costs = digits18
    clean = {cell.key for cell in plan.cells if cell.task is None}
    cells = {key: [] if key in clean else ids[: len(ids) // 2] for key, ids in left.cells.items()}
    half = Pending(cells, [(part, 0) for part, _ in left.transfers])
    found = makespan(plan, half, costs, 2)
    expected = sum(len(ids) * costs.cells[key] for key, ids in cells.items())
    assert found.work == pytest.approx(expected)


def test_small_saved_sets_take_no_longer_than_their_images(digits18: Suite) -> None:
    plan, left, costs = digits18
    shown = Pending({key: [] for key in left.cells}, left.transfers)
    found = makespan(plan, shown, costs, 2)
    forwards = [count * costs.forwards[part.target.model.name] for part, count in left.transfers]
    assert found.work == pytest.approx(sum(forwards))


def test_items_side_by_side() -> None:
    assert _rounds([1.0] * 3, batch=1) == 3, "a full device does one after the other, in effect"
    assert _rounds([1.0] * 3, batch=4) == 4, "and is no faster with less"
    # To 1: three of them at work; to 3: one, no faster than two.
    assert _rounds([1.0, 3.0, 1.0], batch=2) == 3 * 1 + 2 * 2
