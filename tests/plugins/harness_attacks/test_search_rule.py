"""The epsilons of the search equal the released rule's, whatever the pattern of successes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.api import Batch, Slots
from harness_attacks.sign.fgsm import IFGSM

CLASSES = 3


def released_rule(pattern: list[bool], start: float) -> tuple[list[float], float | None]:
    """The epsilons tried and the one kept, written straight from the rule."""
    tried, epsilon, good, bad = [], start, None, None
    for success in pattern:
        tried.append(epsilon)
        if success:
            good = epsilon
            epsilon = epsilon / 2 if bad is None else (epsilon + bad) / 2
        else:
            bad = epsilon
            epsilon = epsilon * 2 if good is None else (epsilon + good) / 2
    return tried, good


def drive(patterns: list[list[bool]], *, steps: int, start: float):
    """Run the stepper on images of zeros with gradients of one, so that the point shows epsilon.

    ``patterns[row]`` scripts the verdicts; the epsilons that each attempt ended at come back.
    """
    count, attempts = len(patterns), len(patterns[0])
    slots = Slots(count, (3, 2, 2), CLASSES, torch.device("cpu"), torch.contiguous_format)
    attack = IFGSM(steps=steps, attempts=attempts, initial_epsilon=start)
    stepper = attack.stepper(slots)
    batch = Batch(
        images=torch.zeros(count, 3, 2, 2),
        labels=torch.zeros(count, dtype=torch.int64),
        classes=torch.zeros(count, dtype=torch.int64),
        targeted=torch.zeros(count, dtype=torch.bool),
        seeds=(0,) * count,
    )
    rows = torch.arange(count)
    stepper.load(rows, batch)
    seen: list[list[float]] = [[] for _ in patterns]
    rounds = 0
    while not stepper.finished.all():
        assert rounds + stepper.next_finish() == 1 + attempts * steps
        point = stepper.point()
        logits = torch.zeros(count, CLASSES)
        if not point.gradient:
            for row, pattern in enumerate(patterns):
                seen[row].append(point.images[row].max().item())
                logits[row, 1] = 1.0 if pattern[len(seen[row]) - 1] else -1.0
            logits[:, 2] = -2
        stepper.observe(logits)
        if point.gradient:
            stepper.step(torch.ones(count, 3, 2, 2))
        rounds += 1
    return seen, stepper.result(rows)


@settings(max_examples=60, deadline=None)
@given(
    patterns=st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4),
    start=st.floats(1e-4, 1 / 256),
    steps=st.integers(1, 4),
)
def test_epsilons_follow_the_released_rule(patterns, start, steps):
    seen, result = drive(patterns, steps=steps, start=start)
    for row, pattern in enumerate(patterns):
        tried, kept = released_rule(pattern, start)
        assert seen[row] == pytest.approx(tried, rel=1e-6)
        if kept is None:
            assert torch.isnan(result.numbers["epsilon"][row])
            assert result.images[row].max().item() == pytest.approx(tried[-1], rel=1e-6)
        else:
            assert result.numbers["epsilon"][row].item() == kept
            assert result.images[row].max().item() == pytest.approx(kept, rel=1e-6)


def test_the_first_epsilons_of_the_study():
    assert released_rule([True, True, False, True], 0.02)[0] == [0.02, 0.01, 0.005, 0.0075]
    assert released_rule([False, False, True, False], 0.02)[0] == [0.02, 0.04, 0.08, 0.06]
