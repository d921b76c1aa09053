"""A model that returns NaN or infinity somewhere: no success there, and none lost found before."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.api import CleanPrediction, Goal, Status, margin, reached, succeeded
from harness.api.goal import random_target
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import FGSM, IFGSM

SIZE, CLASSES = (1, 1), 3


class Hole(nn.Module):
    """The first pixel decides between class 0 below .5 and class 1 above; ``value`` near the edge.

    Class ``own`` changes places with class 0, so that the true class is any.
    """

    def __init__(self, own: int, value: float, low: float, high: float) -> None:
        super().__init__()
        self.own, self.value, self.low, self.high = own, value, low, high

    def forward(self, images):
        lead = 10 * (images[:, 0, 0, 0] - 0.5)
        logits = torch.stack((-lead, lead, torch.full_like(lead, -9.0)), dim=1)
        inside = (images[:, 0, 0, 0] > self.low) & (images[:, 0, 0, 0] < self.high)
        logits = torch.where(inside[:, None], self.value, logits)
        return logits.roll(self.own, dims=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("own", range(CLASSES))
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(
    "attack",
    [
        IFGSM(steps=1, attempts=6, initial_epsilon=0.2),
        CW(iterations=20, learning_rate=0.05, search_steps=5, initial_const=0.01),
        CW(iterations=20, learning_rate=0.05, search_steps=5, warm_start=True),
        EAD(iterations=20, learning_rate=0.05, search_steps=5),
    ],
    ids=["ifgsm", "cw", "cw warm", "ead"],
)
def test_a_success_outlives_what_is_not_finite(attack, targeted, own, value):
    """Successes lie above .55; from .49 to .55 the model is not finite: the search enters there."""
    model = pixel_model(Hole(own, value, 0.49, 0.55), classes=CLASSES, size=SIZE)
    images = torch.full((1, 3, *SIZE), 0.4)
    (row,) = attack_all(
        attack, model, jobs_for(model, images, [(own + 1) % 3 if targeted else None])
    )
    assert row.outcome.status is Status.BROKEN
    assert row.outcome.verdict.margin > 0
    assert row.candidate[0] >= 0.55 - 1e-6


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("own", range(CLASSES))
def test_what_is_not_finite_is_never_a_success(own, value):
    model = pixel_model(Hole(own, value, 0.45, 2.0), classes=CLASSES, size=SIZE)
    job = jobs_for(model, torch.full((1, 3, *SIZE), 0.4), [None])
    (row,) = attack_all(FGSM(epsilon=0.2), model, job)
    assert row.outcome.status is Status.ERROR
    (row,) = attack_all(IFGSM(steps=2, attempts=4, initial_epsilon=0.2), model, job)
    assert row.outcome.status is not Status.BROKEN
    assert math.isnan(row.outcome.numbers["epsilon"])


logits_ = st.lists(
    st.floats(-1e6, 1e6, width=32) | st.sampled_from([math.inf, -math.inf, 0.0, 1.0, math.nan]),
    min_size=2,
    max_size=5,
)


@given(logits_, st.data(), st.booleans())
def test_the_rule_by_hand(logits, data, targeted):
    own = data.draw(st.integers(0, len(logits) - 1))
    given_ = (torch.tensor([logits]), torch.tensor([own]), torch.tensor([targeted]))
    others = [value for index, value in enumerate(logits) if index != own]
    won, far = succeeded(*given_).item(), margin(*given_).item()
    if not all(map(math.isfinite, logits)):
        assert not won
        assert math.isnan(far)
        assert not reached(margin(*given_)).item()
        assert not reached(margin(*given_), 1e-30).item()
        return
    best = logits.index(max(logits))
    assert won == (best == own if targeted else best != own)
    lead = torch.tensor(logits[own]) - torch.tensor(max(others))
    assert far == (lead if targeted else -lead).item()
    assert reached(margin(*given_)).item() == (far > 0)
    assert reached(margin(*given_), 0.5).item() == (far >= 0.5)


def test_every_goal_says_what_it_aims_at():
    clean = CleanPrediction("a", 0, predicted=0, second=1, least=2)
    drawn = random_target(seed=5, dataset="d", image_id="a", label=0, classes=4)
    assert {goal: goal.target(clean, seed=5, dataset="d", classes=4) for goal in Goal} == {
        Goal.UNTARGETED: None,
        Goal.RANDOM: drawn,
        Goal.LEAST_LIKELY: 2,
        Goal.SECOND_LIKELY: 1,
    }


def test_a_goal_of_any_rank_aims_at_the_class_there():
    known = CleanPrediction("a", 7, 7, second=1, least=2, likeliest=(7, 1, 4, 5, 6))
    old = replace(known, likeliest=None)
    assert [known.ranked(rank) for rank in (0, 1, 2, 4, 5, -1)] == [7, 1, 4, 6, None, 2]
    assert [old.ranked(rank) for rank in (0, 1, 2, -1)] == [7, 1, None, 2]
    goal = str.__new__(Goal, "third-likely")
    goal._value_, goal.rank = "third-likely", 2
    asked = {"seed": 0, "dataset": "d", "classes": 10}
    assert goal.target(known, **asked) == 4
    assert goal.target(old, **asked) == old.label, "so that the image is not attacked"
