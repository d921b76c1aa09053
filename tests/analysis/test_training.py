"""Training regimes on leaderboards and among what findings look at."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.evidence import gather
from harness.analysis.leaderboard import leaderboard
from harness.analysis.results import Results
from harness.report.leaderboard import presentation

REGIMES = {"old": None, "plain": "standard", "robust": "adversarial", "odd": "unknown"}


@pytest.fixture
def suite(bench: Any, define: Any) -> Any:
    """Of four models that a suite has one was stored by a version without regimes."""
    bench.run(define([*REGIMES]), 4)
    for place, (name, regime) in enumerate(REGIMES.items()):
        about = {} if regime is None else {"training": regime}
        bench.clean(name, [True] * 3 + [False], family="F", **about)
        bench.attack(name, [0.1 + place, 0.2, 0.3, "w"])
    return bench


def test_what_is_not_known_is_none(suite: Any) -> None:
    wanted = {"old": None, "plain": "standard", "robust": "adversarial", "odd": None}
    results = Results(suite.sql).suite()
    assert {e.model: e.training for e in leaderboard(results).entries} == wanted
    assert {name: facts.training for name, facts in gather(results).models.items()} == wanted
    stored = dict(suite.sql.execute("SELECT model, training FROM leaderboard_rows").fetchall())
    assert stored == REGIMES


def test_people_see_them_where_there_are_several(suite: Any) -> None:
    found = presentation(leaderboard(Results(suite.sql).suite()))
    (place,) = [i for i, column in enumerate(found.columns) if column.key == "training"]
    assert {row[place].plain for row in found.rows} == {None, "standard", "adversarial"}
    alone = "json_set(about, '$.training', 'standard')"
    suite.sql.execute(f"UPDATE components SET about = {alone} WHERE name = 'robust'")
    found = presentation(leaderboard(Results(suite.sql).suite()))
    assert "training" not in {column.key for column in found.columns}
    assert {record["training"] for record in found.records} == {"standard", None}
