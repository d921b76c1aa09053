"""Each rule of loaders is broken by the loader that is wrong in this place, and by no other."""

from __future__ import annotations

import pytest
import torch
from wrong_loaders import WRONG, Good, example

from harness.testing.conformance import State
from harness.testing.conformance.loaders import rules


def broken(found):
    return {name: result.why for name, result in found.items() if result.state is State.BROKEN}


def no_weights(folder):
    entry = dict(example(folder).entry)
    del entry["weights"]
    return type(example(folder))(entry=entry)


def test_every_rule_has_its_wrong_loader():
    assert list(WRONG) == [rule.name for rule in rules]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_loader_breaks_its_rule_alone(results, rule):
    made = no_weights if rule == "its_weights_are_found" else example
    found = broken(results("model_loader", WRONG[rule], made))
    assert set(found) == {rule}, found
    assert found[rule]
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_good_loader_keeps_all_rules(results):
    found = results("model_loader", Good, example)
    assert {name: each.why for name, each in found.items() if each.state is not State.KEPT} == {}


def test_without_an_example_it_is_said(results):
    found = results("model_loader", Good)
    assert found["it_can_be_made"].state is State.KEPT
    assert found["logits_are_finite"].state is State.NOT_CHECKED
    assert "there is no ModelExample of it" in found["logits_are_finite"].why
