"""Each rule of executors is broken by the one that is wrong in this place.

That it breaks no other is checked of the rules for all executors: all rules of one take half a
minute. `tests/execute/executors/test_conformance.py` has the good ones.
"""

from __future__ import annotations

import os

import pytest
from wrong_executors import LEFT, WRONG, NoExecutor

from harness.api import ExecutorExample
from harness.execute.executors.processes import Processes
from harness.testing.conformance import State
from harness.testing.conformance.executors import rules
from harness.testing.executors import EVERYWHERE


@pytest.fixture(autouse=True)
def _tidy():
    yield
    os.environ.pop("HARNESS_TOY_VARIABLE", None)
    for executor in LEFT:
        Processes.close(executor)
    LEFT.clear()


def test_every_rule_has_its_wrong_executor():
    assert list(WRONG) == [rule.name for rule in rules]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_executor_breaks_its_rule(checkup, rule):
    found = checkup("executor", WRONG[rule], ExecutorExample())
    assert found.result(rule).state is State.BROKEN
    assert found.result(rule).why
    for check in EVERYWHERE:
        if check.__name__ != rule and WRONG[rule] is not NoExecutor:
            assert found.result(check.__name__).state is State.KEPT


def test_executors_without_an_example_are_not_started(results):
    found = results("executor", Processes)
    assert {each.state for each in found.values()} == {State.KEPT, State.NOT_CHECKED}
    assert "there is no ExecutorExample" in found["workers_can_ask"].why


def test_some_rules_need_processes(checkup):
    found = checkup("executor", Processes, ExecutorExample(processes=False))
    assert found.result("no_worker_is_left").state is State.NOT_CHECKED
    assert found.result("workers_can_ask").state is State.KEPT
