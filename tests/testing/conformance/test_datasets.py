"""Each rule of datasets is broken by the reader that is wrong in this place, and by no other."""

from __future__ import annotations

import pytest
import torch
from wrong_datasets import WRONG, Good, example

from harness.testing.conformance import State
from harness.testing.conformance.datasets import rules


def broken(found):
    return {name: result.why for name, result in found.items() if result.state is State.BROKEN}


def test_every_rule_has_its_wrong_reader():
    assert list(WRONG) == [rule.name for rule in rules]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_reader_breaks_its_rule_alone(results, rule):
    found = broken(results("dataset", WRONG[rule], example))
    torch.set_default_dtype(torch.float32)
    assert set(found) == {rule}, found
    assert found[rule]


def test_a_good_reader_keeps_all_rules(results):
    found = results("dataset", Good, example)
    assert {name: each.why for name, each in found.items() if each.state is not State.KEPT} == {}
