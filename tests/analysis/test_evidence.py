"""What findings look at, against plain SQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.analysis.evidence import gather
from harness.analysis.results import Results
from harness.api import Evidence, gaps


@pytest.fixture
def evidence(kept_run: Path) -> Evidence:
    with sqlite3.connect(kept_run) as db:
        return gather(Results(db).suite())


def test_scores_of_measurements(evidence: Evidence, kept_run: Path) -> None:
    assert {(each.measurement, each.score, each.goal) for each in evidence.scores} == {
        ("clever", "linf.score", "random"),
        ("clever", "l2.score", "random"),
        ("clever", "linf.score", "untargeted"),
        ("clever", "l2.score", "untargeted"),
        ("divergence", "divergence", "untargeted"),
        ("divergence", "log10_psi", "untargeted"),
    }
    with sqlite3.connect(kept_run) as db:
        for each in evidence.scores:
            expected = db.execute(
                "SELECT model, avg(value), count(*) FROM readings WHERE measurement LIKE ? || '%'"
                " AND goal = ? AND name = ? AND status = 'measured' GROUP BY 1",
                (each.measurement, each.goal, each.score),
            ).fetchall()
            assert each.means == pytest.approx({model: mean for model, mean, _ in expected})
            assert {m: len(v) for m, v in each.values.items()} == {m: n for m, _, n in expected}
    assert gaps(evidence.scores) == []


def test_nothing_of_it_can_be_changed(evidence: Evidence) -> None:
    trial, score = evidence.trials[0], evidence.scores[0]
    (outcomes, *_) = trial.outcomes.values()
    mappings = [
        evidence.models, trial.outcomes, trial.right, *trial.right.values(),
        trial.attack.parameters, outcomes.judged, outcomes.counts,
        score.values, *score.values.values(),
        *(m for matrix in evidence.matrices
          for m in (matrix.cells, matrix.families, matrix.attack.parameters)),
    ]  # fmt: skip
    assert len(mappings) > 10
    for mapping in mappings:
        with pytest.raises(TypeError):
            mapping["x"] = 1
