"""Each rule of measurements is broken by the one that is wrong in this place, and by no other."""

from __future__ import annotations

import pytest
from wrong_measurements import WRONG, Good, Stays

from harness.testing.conformance import State
from harness.testing.conformance.measurements import rules


def broken(found):
    return {name: result.why for name, result in found.items() if result.state is State.BROKEN}


def test_every_rule_has_its_wrong_measurement():
    assert list(WRONG) == [rule.name for rule in rules]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_measurement_breaks_its_rule_alone(results, rule):
    found = broken(results("measurement", WRONG[rule]))
    assert set(found) == {rule}, found
    assert found[rule]


def test_what_is_left_to_do_has_to_travel(results):
    found = broken(results("measurement", Stays))
    assert set(found) == {"every_image_has_a_result"}
    assert "pickle" in found["every_image_has_a_result"]


def test_a_good_measurement_keeps_all_rules(results):
    found = results("measurement", Good)
    assert {name: each.why for name, each in found.items() if each.state is not State.KEPT} == {}
