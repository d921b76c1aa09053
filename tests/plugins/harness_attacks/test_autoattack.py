"""AutoAttack: the members and settings of the original, and no image that a member alone breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.api import Norm, Status
from harness.identity import seed_of
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness_attacks.ascent.apgd import APGDL1, APGDL2, APGDLinf
from harness_attacks.autoattack import AutoAttackL1, AutoAttackL2, AutoAttackLinf
from harness_attacks.boundary.fab import FABL1, FABL2, FABLinf
from harness_attacks.square.parameters import SquareL2, SquareLinf

KINDS = {
    AutoAttackLinf: [APGDLinf, APGDLinf, FABLinf, SquareLinf],
    AutoAttackL2: [APGDL2, APGDL2, FABL2, SquareL2],
    AutoAttackL1: [APGDL1, APGDL1, FABL1],
}
FEW = {"steps": 4, "target_classes": 2, "fab_classes": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_the_members_are_those_of_the_standard_version(kind):
    attack = kind(**kind.presets["standard"])
    members = attack.members()
    assert [type(each) for each in members] == KINDS[kind]
    assert {each.budget for each in members} == {attack.budget}
    first, targeted, fab = members[:3]
    one = kind is AutoAttackL1
    assert (first.loss, first.steps, first.restarts) == ("ce", 100, 5 if one else 1)
    assert (targeted.loss, targeted.steps, targeted.restarts) == ("targeted-dlr", 100, 1)
    assert (targeted.target_classes, targeted.targets) == (5 if one else 9, "logits")
    assert (fab.variant, fab.iterations, fab.classes, fab.restarts) == ("fab-t", 100, 9, 1)
    assert [each.queries for each in members[3:]] == ([] if one else [5000])
    assert kind().members()[1].targets == "malt"
    assert attack.passes.forwards == sum(each.passes.forwards for each in members)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 5))
    with torch.no_grad():
        network[1].weight *= 4
    return pixel_model(network, classes=5, size=(4, 4))


@pytest.mark.parametrize(
    ("attack", "epsilon"),
    [
        (AutoAttackLinf(**FEW, epsilon=0.05, queries=15), 0.05),
        (AutoAttackL2(**FEW, epsilon=0.25, queries=15), 0.25),
        (AutoAttackL1(**FEW, epsilon=0.9, restarts=1), 0.9),
    ],
    ids=["linf", "l2", "l1"],
)
def test_it_breaks_what_any_of_its_members_breaks(attack, epsilon, model):
    images = torch.rand(24, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    jobs = jobs_for(model, images, [None] * len(images))
    found = attack_all(attack, model, jobs)
    apart = [
        attack_all(each, model, [replace(job, seed=seed_of("member", job.seed, place))
                                 for job in jobs])
        for place, each in enumerate(attack.members())
    ]  # fmt: skip
    statuses = set()
    for row, *rows in zip(found, *apart, strict=True):
        broke = [place for place, each in enumerate(rows) if each.outcome.status is Status.BROKEN]
        assert row.outcome.status is (Status.BROKEN if broke else Status.ROBUST)
        assert not broke or row.outcome.numbers["member"] == broke[0]
        used = rows[: broke[0] + 1] if broke else rows
        assert row.outcome.passes.forwards == sum(each.outcome.passes.forwards for each in used)
        assert row.outcome.passes.backwards == sum(each.outcome.passes.backwards for each in used)
        assert getattr(row.outcome.norms, attack.norm) <= epsilon * (1 + 1e-5)
        statuses.add(row.outcome.status)
    assert statuses == {Status.BROKEN, Status.ROBUST}
    assert attack.norm in set(Norm)
