"""Predictions and ranks of streams of pictures: ties, NaN, verdicts, too little memory."""

from __future__ import annotations

import pytest
import torch

from harness.api import ModelError
from harness.engine.forwards import Forward
from harness.engine.transfer import Pictures, evaluate, read_ahead

CPU = torch.device("cpu")


def forward_of(run, shape=(3, 1, 1)) -> Forward:
    return Forward(run, CPU, shape, torch.contiguous_format)


def batch_of(logits, goals, verdicts=None) -> Pictures:
    """Pictures of 1 x 1 whose numbers in a table of ``logits`` are their pixels."""
    numbers = torch.arange(len(logits)).float()
    images = numbers[:, None, None, None].expand(-1, 3, 1, 1).clone()
    return Pictures(images, torch.tensor(goals), verdicts and torch.tensor(verdicts))


def seen(logits, goals, verdicts=None):
    table = torch.tensor(logits)
    forward = forward_of(lambda images: table[images[:, 0, 0, 0].long()])
    batch = batch_of(logits, goals, verdicts)
    (found,) = evaluate(forward, [batch], border=1.0, on_halving=lambda size: None)
    return found


def test_ranks_break_ties_by_the_lower_class():
    found = seen([[1.0, 3.0, 3.0, 2.0]] * 4, [0, 1, 2, 3])
    assert found.predicted == [1, 1, 1, 1]
    assert found.ranks == [3, 0, 1, 2]


def test_what_is_not_finite_has_no_prediction():
    found = seen([[1.0, 2.0], [float("nan"), 0.0], [float("inf"), 0.0]], [0, 1, 0])
    assert found.predicted == [1, None, None]
    assert found.ranks == [1, None, None]


def test_a_verdict_stands_against_a_hair():
    found = seen([[1.0, 1.0 + 1e-7, 0.0]] * 3, [0, 1, 2], [0, 0, 0])
    assert found.predicted == [0, 0, 0]
    assert found.ranks == [0, 1, 2]


def test_batches_are_halved_until_they_fit_and_stay_in_order():
    sizes = []

    def run(images):
        if len(images) > 3:
            raise torch.OutOfMemoryError
        sizes.append(len(images))
        value = images[:, 0, 0, 0]
        return torch.stack((value, 2 * value - 4), 1)

    batch = batch_of([None] * 8, [0] * 8)
    halvings = []
    found = list(evaluate(forward_of(run), [batch, batch], border=1.0, on_halving=halvings.append))
    assert halvings == [4, 2]
    assert sizes == [2] * 8
    expected = [int(value > 4) for value in range(8)]
    assert [each.predicted for each in found] == [expected, expected]


def test_a_single_image_that_does_not_fit_is_an_error():
    def run(images):
        raise torch.OutOfMemoryError

    with pytest.raises(ModelError, match="single image"):
        list(evaluate(forward_of(run), [batch_of([0], [0])], border=1.0, on_halving=print))


def test_pictures_are_adapted():
    shapes = []

    def run(images):
        shapes.append(tuple(images.shape))
        return images.flatten(1)[:, :2]

    batch = Pictures(torch.zeros(2, 3, 4, 6), torch.zeros(2).long())
    (found,) = evaluate(forward_of(run, (3, 5, 3)), [batch], border=1.0, on_halving=print)
    assert shapes == [(2, 3, 5, 3)]
    assert found.predicted == [0, 0]


def test_reading_ahead_keeps_the_order_and_stays_one_ahead():
    read = []

    def square(item):
        read.append(item)
        return item * item

    found = []
    for item, value in read_ahead(range(5), square):
        found.append((item, value))
        assert len(read) <= item + 2
    assert found == [(item, item * item) for item in range(5)]
    assert read == list(range(5))
