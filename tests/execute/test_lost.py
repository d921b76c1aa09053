"""Workers that die in the middle of a shard: what they had not delivered is done again, once."""

from __future__ import annotations

import pytest
from harness.execute.executors.executor import Lost
from transfer_toys import PAIRS, query

from harness.execute import run as execution
from harness.execute.events import Attacked, CleanSeen, Predicted, SetSeen
from harness.execute.executors.inline import Inline

OUTCOMES = "SELECT cell_key, image_id, status, target, predicted FROM samples ORDER BY 1, 2"
CLEAN = "SELECT model, image_id, predicted FROM clean_predictions ORDER BY 1, 2"
ADAPTED = """
SELECT target_cell_id, images.name, predicted FROM adapted_clean
JOIN images ON images.id = image_id ORDER BY 1, 2
"""


def stored(db: str) -> list[list[tuple]]:
    return [sorted(query(each, db=db)) for each in (OUTCOMES, CLEAN, PAIRS, ADAPTED)]


@pytest.fixture
def losing(monkeypatch):
    """Has the worker die after so many events of a kind, so many times."""

    def losing(kind: type, after: int, times: int) -> None:
        class Losing(Inline):
            seen, lost = 0, 0

            def next(self):
                number, report = super().next()
                Losing.seen += isinstance(report, kind)
                if Losing.seen < after or Losing.lost == times:
                    return number, report
                Losing.seen, Losing.lost = 0, Losing.lost + 1
                self._events.close()
                return number, Lost("exit code 9")  # and what it had found is gone

        monkeypatch.setattr(execution, "Inline", Losing)

    return losing


@pytest.mark.parametrize(
    ("kind", "after"), [(Predicted, 2), (Attacked, 3), (SetSeen, 2), (CleanSeen, 1)]
)
def test_nothing_is_lost_and_nothing_is_done_twice(run, losing, kind, after):
    options = ("--batch-size", "5")
    assert run("small", "large", options=(*options, "--db", "whole.db")).code == 0
    losing(kind, after, times=1)
    done = run("small", "large", options=options)
    assert done.code == 0, done.err
    assert "worker process died (exit code 9); another one computes the rest" in done.err
    assert stored("harness.db") == stored("whole.db")
    assert query("SELECT DISTINCT error FROM attempts WHERE status = 'interrupted'") == [
        ("worker process died (exit code 9)",)
    ]
    assert not query("SELECT 1 FROM attempts WHERE status = 'failed'")


@pytest.mark.parametrize(
    ("kind", "failed"), [(Attacked, "failed: small: w"), (SetSeen, "failed: large: transfers: w")]
)
def test_the_second_death_fails_what_is_left_of_the_model_alone(run, losing, kind, failed):
    losing(kind, 1, times=2)
    done = run("small", "large")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert f"{failed}orker process died twice (exit code 9)" in done.err
    others = query("SELECT count(*) FROM samples WHERE model = 'large'")
    assert others == [(3 * 24,)]
    assert query("SELECT status FROM runs") == [("failed",)]
    assert run("small", "large").code == 0
