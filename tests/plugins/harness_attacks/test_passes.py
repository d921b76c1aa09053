"""The passes that attacks promise are those that the engine counts."""

from __future__ import annotations

import norm_toy
import pytest

from harness.api import Attack
from harness.testing.fakes import attack_all, jobs_for, linear_model
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import FGSM, IFGSM

SHORT = {"iterations": 30, "search_steps": 3}


@pytest.fixture(scope="module")
def jobs_and_model():
    weights, bias, images = norm_toy.linear(1, 4, 0.2, 0.8, 0.3, 6)
    model = linear_model(weights, bias, size=norm_toy.SIZE)
    return jobs_for(model, images, norm_toy.targets(model, images)), model


@pytest.mark.parametrize(
    "attack",
    [
        FGSM(epsilon=0.1),
        FGSM(epsilon="search", attempts=4),
        IFGSM(epsilon=0.1, steps=7),
        IFGSM(steps=5, attempts=6),
        IFGSM(steps=1, attempts=3),
        CW(**SHORT, abort_early=False),
    ],
    ids=repr,
)
def test_what_data_cannot_change_is_exact(jobs_and_model, attack):
    jobs, model = jobs_and_model
    for row in attack_all(attack, model, jobs):
        assert row.outcome.passes == attack.passes


@pytest.mark.parametrize("kind", [CW, EAD])
@pytest.mark.parametrize("abort_early", [False, True])
def test_what_data_can_save_is_a_bound(jobs_and_model, kind, abort_early):
    jobs, model = jobs_and_model
    attack = kind(**SHORT, abort_early=abort_early)
    rows = attack_all(attack, model, jobs)
    assert all(0 < row.outcome.passes.forwards <= attack.passes.forwards for row in rows)
    assert all(0 < row.outcome.passes.backwards <= attack.passes.backwards for row in rows)


def test_ead_needs_all_its_gradients_where_every_step_moves(jobs_and_model):
    jobs, model = jobs_and_model
    attack = EAD(**SHORT, initial_const=10, abort_early=False)
    rows = attack_all(attack, model, jobs)
    assert max(row.outcome.passes.backwards for row in rows) == attack.passes.backwards == 90
    assert attack.passes.forwards == 180
    assert max(row.outcome.passes.forwards for row in rows) > 90


def test_an_attack_that_says_nothing_is_unknown():
    class Silent(Attack):
        norm = "linf"

        def perturb(self, target, batch):
            return batch.images

    assert Silent().passes is None
