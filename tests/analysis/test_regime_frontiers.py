"""Frontiers of training regimes on leaderboards: those of the same models alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from boards import leaderboard

from harness.analysis.bootstrap import intervals
from harness.report.leaderboard import presentation

IMAGES = 40


@pytest.fixture
def mixed(bench: Any, define: Any) -> Any:
    """Three standard and three adversarial models on frontiers of their own, and an unknown one."""
    names = {f"s{i}": "standard" for i in range(3)} | {f"a{i}": "adversarial" for i in range(3)}
    bench.run(define([*names, "new"]), IMAGES)
    for place, (name, regime) in enumerate([*names.items(), ("new", None)]):
        about = {"training": regime} if regime else {}
        wrong = 4 * (place % 3) + 2
        size = (0.9 if regime == "adversarial" else 0.1) * (1 + place % 3)
        bench.clean(name, [i >= wrong for i in range(IMAGES)], family="F", **about)
        sizes = ["w" if i < wrong else size * (0.8 + i % 3 / 5) for i in range(IMAGES)]
        bench.attack(name, sizes)
    return bench


def test_each_regime_has_the_frontier_of_its_models_alone(mixed: Any) -> None:
    board = leaderboard(mixed.sql, regimes=True)
    assert board.regimes is not None
    assert {name: len(each.places) for name, each in board.regimes.columns.items()} == {
        "adversarial": 3, "standard": 3, "unknown": 1,
    }  # fmt: skip
    for regime in ("standard", "adversarial"):
        own = board.regimes.columns[regime]
        found = intervals({name: board.column.samples[name] for name in sorted(own.samples)})
        for name, place in own.places.items():
            assert place.placing.distance == pytest.approx(own.frontier.distance(
                next(point for point in own.frontier.members if point.name == name)))  # fmt: skip
            assert place.spread is not None
            assert place.spread.distance == pytest.approx(found.spreads[name].distance)
    # The whole leaderboard's frontier is the adversarial models': standard ones lie far below it.
    assert board.column.frontier.members == board.regimes.columns["adversarial"].frontier.members
    assert board.column.places["s1"].placing.distance < -0.5
    place = board.regimes.place("s1")
    assert place is not None
    assert abs(place.placing.distance or 1) < 0.1


def test_a_new_model_is_told_where_it_lies(mixed: Any) -> None:
    board = leaderboard(mixed.sql, regimes=True)
    found = presentation(board)
    rows = {record["model"]: record for record in found.records}
    assert rows["new"]["nearest_regime"] == "standard"
    assert rows["new"]["regime_distance"] is None
    assert rows["a1"]["nearest_regime"] == "adversarial"
    low, high = rows["s1"]["regime_distance_low"], rows["s1"]["regime_distance_high"]
    assert low <= rows["s1"]["regime_distance"] <= high
    assert found.table is not None
    assert [fit.get("training") for fit in found.table.fits] == [
        None, "adversarial", "standard", "unknown",
    ]  # fmt: skip
    assert any(note.startswith("frontier of training standard, 3 models") for note in found.notes)


def test_it_is_asked_for(mixed: Any, harness: Any) -> None:
    mixed.commit()
    plain = json.loads(harness("leaderboard", "--db", mixed.path, "--format", "json").out)
    assert not any("regime_distance" in row for row in plain["rows"])
    done = harness("leaderboard", "--regimes", "--db", mixed.path, "--format", "json")
    assert len(json.loads(done.out)["fits"]) == 4
    refused = harness("leaderboard", "--regimes", "--joint", "--db", mixed.path)
    assert (refused.code, "--regimes" in refused.err) == (2, True)


def test_robust_accuracies_have_steps_in_each(bench: Any, define: Any) -> None:
    attack = {"name": "ifgsm", "label": "ifgsm epsilon=0.1", "norm": "linf", "budget": 0.1}
    bench.run(define(["one", "two"], [{**attack, "goals": ["untargeted"], "parameters": {}}]), 4)
    for name in ("one", "two"):
        bench.clean(name, [True] * 4, family="F", training=name)
        rows = [0.1, 0.1, "r", "r"]
        bench.attack(name, rows, label="ifgsm epsilon=0.1", goal="untargeted", budget=0.1)
    board = leaderboard(bench.sql, regimes=True)
    assert board.regimes is not None
    assert board.regimes.nearest == {}
    assert board.regimes.columns["one"].frontier.steps
