"""Workers that die in the middle of a shard: what they had not delivered is done again, once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from transfer_toys import PAIRS, query

from harness.api import Lost, Yielded
from harness.execute.driver.task_group import AT_WORK, WHILE_LOADING
from harness.execute.events import Attacked, CleanSeen, Predicted, SetSeen, Tried
from harness.execute.executors import choice
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
    """Has the worker die after so many events of a kind, so many times; another one joins."""

    def losing(kind: type, after: int, times: int) -> None:
        class Losing(Inline):
            seen, lost, number = 0, 0, 0

            def start(self, program, source):
                self._given = program, source
                return super().start(program, source)

            def next(self, timeout):
                found = super().next(timeout)
                if found is None:
                    return None
                found = replace(found, worker=self.number)
                Losing.seen += isinstance(found, Yielded) and isinstance(found.event, kind)
                if Losing.seen < after or Losing.lost == times:
                    return found
                Losing.seen, Losing.lost = 0, Losing.lost + 1
                self.close()
                self.number += 1
                self.start(*self._given)
                return Lost(self.number - 1, "exit code 9")  # and what it had found is gone

        monkeypatch.setattr(choice, "Inline", Losing)

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
    assert "worker process died (exit code 9); another one does the rest" in done.err
    assert stored("harness.db") == stored("whole.db")
    assert query("SELECT DISTINCT error FROM attempts WHERE status = 'interrupted'") == [
        ("worker process died (exit code 9)",)
    ]
    assert not query("SELECT 1 FROM attempts WHERE status = 'failed'")
    assert query("SELECT number, ended FROM workers") == [(0, "exit code 9"), (1, None)]


@pytest.mark.parametrize(
    ("kind", "times", "failed"),
    [
        (Tried, WHILE_LOADING, "failed: small: w"),
        (Attacked, AT_WORK, "failed: small: w"),
        (SetSeen, AT_WORK, "failed: small: transfers: w"),
    ],
)
def test_too_many_deaths_fail_what_they_happened_in_and_nothing_else(
    run, losing, kind, times, failed
):
    losing(kind, 1, times)
    done = run("small", "large")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert f"{failed}orker process died {times} times in a row (exit code 9)" in done.err, done.err
    others = query("SELECT count(*) FROM samples WHERE model = 'large'")
    assert others == [(3 * 24,)]
    assert query("SELECT status FROM runs") == [("failed",)]
    assert run("small", "large").code == 0
