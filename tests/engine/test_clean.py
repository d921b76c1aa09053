"""Clean predictions: whatever is wrong with one image is that image's own error."""

from __future__ import annotations

import pytest
import torch

from harness.engine.clean import predict_clean
from harness.testing.fakes import linear_model

IMAGES = torch.rand(6, 3, 1, 1, generator=torch.Generator().manual_seed(0))


def found(model, labels, images=IMAGES):
    rows = zip("abcdef", images, labels, strict=False)
    stream = predict_clean(model, rows, batch_size=4, on_halving=lambda size: None)
    return [row for rows in stream for row in rows]


def model_of(classes):
    weights = torch.randn(classes, 3, generator=torch.Generator().manual_seed(classes))
    return linear_model(weights, torch.zeros(classes), size=(1, 1))


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_margin_and_classes_are_those_of_the_logits(classes):
    model = model_of(classes)
    labels = [row % classes for row in range(6)]
    logits = model.predict(IMAGES)
    for row, each in enumerate(found(model, labels)):
        order = logits[row].argsort(descending=True).tolist()
        assert (each.predicted, each.second, each.least) == (order[0], order[1], order[-1])
        assert each.likeliest == tuple(order[:5])
        others = [float(z) for c, z in enumerate(logits[row]) if c != labels[row]]
        assert each.margin == pytest.approx(float(logits[row, labels[row]]) - max(others))
        assert each.error is None


def test_equal_logits_have_the_order_that_two_of_them_had():
    """What was stored before the others were: `torch.topk` orders ties by its k."""
    level = linear_model(torch.zeros(30, 3), torch.arange(30) % 3, size=(1, 1))
    first = level.predict(IMAGES).topk(2, dim=1).indices.tolist()
    for each, pair in zip(found(level, [0] * 6), first, strict=True):
        assert [each.predicted, each.second] == pair
        assert list(each.likeliest[:2]) == pair
        assert len(set(each.likeliest)) == 5


def test_a_label_that_the_model_does_not_have_is_its_images_error():
    rows = found(model_of(3), [0, 3, -1, 2, 1000, 1])
    assert [row.error for row in rows] == [
        None,
        "its label 3 is not one of the model's 3 classes",
        "its label -1 is not one of the model's 3 classes",
        None,
        "its label 1000 is not one of the model's 3 classes",
        None,
    ]
    assert [row.predicted is None for row in rows] == [False, True, True, False, True, False]


def test_an_image_whose_logits_are_not_finite_is_alone_with_it():
    images = IMAGES.clone()
    images[2] = torch.nan
    rows = found(model_of(3), [0] * 6, images)
    assert [row.error for row in rows] == [
        *[None] * 2, "the model returned NaN or infinity", *[None] * 3,
    ]  # fmt: skip
