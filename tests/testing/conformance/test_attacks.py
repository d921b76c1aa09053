"""Each rule of attacks is broken by the attack that is wrong in this place, and by no other."""

from __future__ import annotations

import pytest
from wrong_attacks import EXACT, WRONG, Good, GoodStepped

from harness.api import Access
from harness.testing.conformance import State
from harness.testing.conformance.attacks import rules


def broken(found):
    return {name: result.why for name, result in found.items() if result.state is State.BROKEN}


def test_every_rule_has_its_wrong_attack():
    assert list(WRONG) == [rule.name for rule in rules]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_attack_breaks_its_rule_alone(results, rule):
    example = EXACT if rule == "a_linear_optimum_is_found" else None
    found = broken(results("attack", WRONG[rule], example))
    assert set(found) == {rule}, found
    assert found[rule]


def test_good_attacks_keep_all_rules(results):
    whole, stepped = results("attack", Good, EXACT), results("attack", GoodStepped)
    assert broken(whole) == broken(stepped) == {}
    checked = [
        {name for name, each in found.items() if each.state is State.KEPT}
        for found in (whole, stepped)
    ]
    assert checked[0] | checked[1] == set(WRONG)


@pytest.mark.parametrize(("access", "what"), [("SCORES", "gradients"), ("LABELS", "logits")])
def test_stepped_attacks_too_get_what_they_declare(results, access, what):
    thing = type("Stepped", (GoodStepped,), {"access": Access[access]})
    found = broken(results("attack", thing))
    assert set(found) == {"declared_access_is_enough"}
    assert f"asked for {what}" in found["declared_access_is_enough"]
