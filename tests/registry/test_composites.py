"""``composites:`` in a suite: what the registry accepts, what becomes of it, what is said."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from harness.api import CompositeAttack, ConfigError, Goal, Norm, Passes
from harness.plugins import installed
from harness.registry import load
from harness.resolve.composites import names_in
from harness.resolve.tasks import Tasks, suite_tasks

HEAD = """\
suites:
  mine:
    dataset: digits
    models: [digits-alexnet]
    images: 4
    goals: [untargeted, random]
    attacks: [{attack: fgsm}]
    composites:
"""
STRONG = """\
      strong:
        goals: [untargeted]
        images: 3
        keep: true
        attacks:
          - {attack: fgsm, parameters: {epsilon: 0.1}}
          - {attack: ifgsm, parameters: {epsilon: 0.1, steps: [5, 10]}}
"""
NEAREST = """\
      nearest:
        attacks: [{attack: ifgsm}, {attack: fgsm, parameters: {epsilon: search}}]
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Any:
    """The tasks of the suite ``mine``, or of another one, with these composites."""

    def tasks(text: str, suite: str = "mine") -> Tasks:
        path = tmp_path / "mine.yaml"
        path.write_text(HEAD + text)
        return suite_tasks(load([path]).suites[suite], installed())

    return tasks


def test_a_composite_is_a_planned_attack_of_its_own(tasks: Any) -> None:
    found = tasks(STRONG + NEAREST)
    fgsm, strong, nearest = found.attacks
    assert [each.label for each in found.attacks] == ["fgsm", "strong", "nearest"]
    assert (strong.norm, strong.budget, strong.images, strong.keep) == (Norm.LINF, 0.1, 3, True)
    assert strong.goals == (Goal.UNTARGETED,)
    assert (nearest.budget, nearest.images, nearest.keep) == (None, 4, False)
    assert nearest.goals == fgsm.goals == (Goal.UNTARGETED, Goal.RANDOM)
    members = found.parameters["strong"].members()
    assert [each.passes for each in members] == [Passes(1, 1), Passes(5, 5), Passes(10, 10)]
    assert found.parameters["strong"].passes == Passes(16, 16)


def test_its_identity_is_that_of_its_members_in_order(tasks: Any) -> None:
    (_, strong) = tasks(STRONG).attacks
    identity = strong.component.identity
    assert identity == {
        "name": "strong",
        "version": "1",
        "kind": "composite",
        "parameters": {
            "members": [
                {"name": "fgsm", "version": "1", "parameters": {"epsilon": 0.1}},
                {"name": "ifgsm", "version": "1", "parameters": {"epsilon": 0.1, "steps": 5}},
                {"name": "ifgsm", "version": "1", "parameters": {"epsilon": 0.1, "steps": 10}},
            ]
        },
    }
    assert list(names_in(identity)) == ["fgsm", "ifgsm", "ifgsm"]
    (_, spelled_out) = tasks(STRONG.replace("[5, 10]", "5").replace("steps: 5}}", "steps: 5}}\n"
        "          - {attack: ifgsm, parameters: {steps: 10, epsilon: 0.1}}")).attacks  # fmt: skip
    assert spelled_out.component.identity == identity
    (_, swapped) = tasks(STRONG.replace("[5, 10]", "[10, 5]")).attacks
    assert swapped.component.identity != identity


def test_a_budget_of_passes_is_part_of_its_identity(tasks: Any) -> None:
    (_, free), (_, bounded) = (
        tasks(STRONG).attacks,
        tasks(STRONG.replace("keep: true", "budget_passes: 20")).attacks,
    )
    assert bounded.budget_passes == bounded.component.identity["budget_passes"] == 20
    assert {**free.component.identity, "budget_passes": 20} == bounded.component.identity


def test_a_composite_may_be_a_member(tasks: Any) -> None:
    text = "      all:\n        attacks: [{attack: strong}, {attack: ifgsm}]\n" + STRONG
    found = tasks(text)
    every = found.parameters["all"]
    assert isinstance(every.members()[0], CompositeAttack)
    assert every.budget == 0.1
    assert list(names_in(found.attacks[1].component.identity)) == ["fgsm", *["ifgsm"] * 3]


def test_it_travels_to_other_processes(tasks: Any) -> None:
    attack = tasks(STRONG).parameters["strong"]
    copy = pickle.loads(pickle.dumps(attack))
    assert (copy.norm, copy.goals, copy.stochastic) == (attack.norm, attack.goals, False)
    assert copy.members() == attack.members()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STRONG.replace("keep: true", "kep: true"), "unknown field 'kep'; did you mean 'keep'?"),
        (STRONG.replace("epsilon", "epsilom"), "unknown parameter of fgsm 'epsilom'"),
        (STRONG.replace("{epsilon: 0.1}", "{epsilon: 0.2}"), "several budgets: 0.2, 0.1"),
        (STRONG.replace("ifgsm", "cw").replace("epsilon: 0.1, steps: [5, 10]", ""),
         "several norms: linf, l2"),
        (STRONG.replace("strong:", "fgsm:"), "name each other in a circle: fgsm -> fgsm"),
        (STRONG + "      a:\n        attacks: [{attack: b}]\n"
         "      b:\n        attacks: [{attack: strong}, {attack: a}]\n",
         "name each other in a circle: a -> b -> a"),
        (STRONG + "      a:\n        attacks: [{attack: strong, preset: fast}]\n",
         "gives parameters to 'strong' in composite 'a', which is a composite itself"),
        ("      a:\n        attacks: []\n", "at least 1 item"),
        ("      fgsm:\n        attacks: [{attack: ifgsm}]\n", "an attack of the suite is called"),
        (STRONG.replace("attack: fgsm", "attack: cw, preset: fsat"), "did you mean 'fast'?"),
        (STRONG.replace("attack: fgsm", "attack: fgsm, goals: [random]"), "unknown field 'goals'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_file_and_line(tasks: Any, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        tasks(text)
    assert said in str(raised.value)
    assert "mine.yaml:" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_member_that_nothing_offers_leaves_the_composite_out(tasks: Any) -> None:
    found = tasks(STRONG.replace("attack: fgsm", "attack: fgms") + NEAREST)
    assert [each.label for each in found.attacks] == ["fgsm", "nearest"]
    assert found.unavailable == ("fgms of composite strong, did you mean 'fgsm'?",)


def test_a_suite_that_extends_another_has_its_composites_too(tasks: Any) -> None:
    own = NEAREST.replace("nearest", "strong")
    more = "  more:\n    extends: mine\n    goals: [least-likely]\n"
    found = tasks(STRONG + NEAREST + more, "more")
    assert [each.label for each in found.attacks] == ["fgsm", "strong", "nearest"]
    assert found.attacks[1].goals == (Goal.UNTARGETED, Goal.LEAST_LIKELY)
    assert set(found.attacks[2].goals) == {Goal.UNTARGETED, Goal.RANDOM, Goal.LEAST_LIKELY}
    replaced = tasks(
        STRONG + NEAREST + "  more:\n    extends: mine\n    composites:\n" + own, "more"
    )
    assert [each.label for each in replaced.attacks] == ["fgsm", "strong", "nearest"]
    assert replaced.attacks[1].budget is None
    alone = "  more:\n    extends: mine\n    replaces: [composites]\n    composites:\n" + own
    assert [each.label for each in tasks(STRONG + NEAREST + alone, "more").attacks] == [
        "fgsm",
        "strong",
    ]
