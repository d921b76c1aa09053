"""A database's rows as suites, attacks, goals and models."""

from __future__ import annotations

from typing import Any

import pytest
from boards import results

from harness.analysis.columns import Choice
from harness.analysis.compare import compare
from harness.analysis.leaderboard import joint, leaderboard
from harness.analysis.optimality import contest
from harness.analysis.results import Results
from harness.errors import ConfigError

IFGSM = {"name": "ifgsm", "label": "ifgsm", "norm": "linf", "budget": None}
FGSM = {**IFGSM, "name": "fgsm", "label": "fgsm", "budget": 0.3}


@pytest.fixture
def two(bench: Any, define: Any) -> Any:
    attacks = [{**IFGSM, "goals": ["random", "second"]}, {**FGSM, "goals": ["untargeted"]}]
    bench.run(define("ab", attacks), 4)
    for model in "ab":
        bench.clean(model, [True, True, True, False])
        bench.attack(model, [0.1, 0.3, "r", "w"])
    bench.attack("a", [0.3, 0.3, "r", "w"], attack="fgsm", budget=0.3, goal="untargeted")
    return bench


def test_trials_are_all_attacks_for_all_goals_with_results_or_without(two: Any) -> None:
    found = results(two.sql).trials()
    assert [(trial.attack.label, trial.goal, sorted(trial.cells)) for trial in found] == [
        ("ifgsm", "random", ["a", "b"]),
        ("ifgsm", "second", []),
        ("fgsm", "untargeted", ["a"]),
    ]
    assert {trial.models for trial in found} == {("a", "b")}
    assert [trial.goal for trial in results(two.sql).trials("ifgsm")] == ["random", "second"]
    assert [trial.goal for trial in results(two.sql).trials(goal="second")] == ["second"]
    with pytest.raises(ConfigError, match="unknown goal 'secnd'; did you mean 'second'"):
        results(two.sql).trials(goal="secnd")
    assert results(two.sql).panels() == []


def test_a_trial_holds_each_image_of_the_runs(two: Any, define: Any) -> None:
    trial = results(two.sql).trial("fgsm")
    images = [two.image(position) for position in range(4)]
    assert trial.predictions("a") == dict(zip(images, [True, True, True, False], strict=True))
    assert [trial.outcomes("a")[image].status for image in images] == [
        *("broken", "broken", "robust", "clean_wrong")
    ]
    assert trial.outcomes("b") == {}
    assert trial.model("a").family == "a family"
    two.run(define("a"), 5)
    two.clean("a", [True] * 5)
    later = results(two.sql).trial("ifgsm")
    assert later.predictions("a")[two.image(4)] is True
    assert two.image(4) not in later.outcomes("a")  # its cell takes four images


def test_a_suite_without_runs(two: Any) -> None:
    assert Results(two.sql).suites == ["toy"]
    with pytest.raises(ConfigError, match="no run of suite 'x' is stored; there are: toy"):
        Results(two.sql).suite("x")


def test_every_norm_of_a_success_is_at_hand(two: Any) -> None:
    two.sql.execute("UPDATE outcomes SET l0 = 7 WHERE linf = 0.1 AND status = 'broken'")
    two.sql.execute("UPDATE outcomes SET l0 = 9 WHERE linf = 0.3 AND status = 'broken'")
    place = leaderboard(results(two.sql), Choice(attack="ifgsm")).column.places["a"]
    assert place.attack is not None
    assert (place.attack.median, place.attack.in_norm("l0").median) == (pytest.approx(0.2), 8)
    assert (place.attack.forwards, place.attack.backwards) == (10, 9)


def test_a_cells_rows_are_read_once_whatever_is_asked_of_them(two: Any) -> None:
    suite = results(two.sql)
    asked: list[str] = []
    two.sql.set_trace_callback(asked.append)
    leaderboard(suite)
    joint(suite)
    compare(suite, "a", "b")
    contest(suite)
    two.sql.set_trace_callback(None)
    for table in ("outcomes", "clean", "run_images"):
        queries = [query for query in asked if f" FROM {table}" in query and "error" not in query]
        assert len(queries) == len(set(queries)) > 0, table
