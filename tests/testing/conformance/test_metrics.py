"""Each rule of metrics is broken by the metric that is wrong in this place, and by no other."""

from __future__ import annotations

import pytest
from wrong_metrics import WRONG, Good

from harness.testing.conformance import State
from harness.testing.conformance.metrics import rules


def broken(found):
    return {name: result.why for name, result in found.items() if result.state is State.BROKEN}


def test_every_rule_has_its_wrong_metric():
    assert list(WRONG) == [rule.name for rule in rules]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_metric_breaks_its_rule_alone(results, rule):
    found = broken(results("metric", WRONG[rule]))
    assert set(found) == {rule}, found
    assert found[rule]


def test_a_good_metric_keeps_all_rules(results):
    found = results("metric", Good)
    assert {name: each.why for name, each in found.items() if each.state is not State.KEPT} == {}
