"""What a network returns, and what it does with its input: neither may pass for a measurement."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.api import Classifier, ModelError, Preprocessing
from harness.engine.classifier import PixelClassifier

CPU = torch.device("cpu")
PLAIN = Preprocessing((2, 2))
IMAGES = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))


class Given(nn.Module):
    """Returns what ``make`` makes of good logits (n, classes)."""

    def __init__(self, make, classes=3) -> None:
        super().__init__()
        self.make = make
        weight = torch.randn(classes, 12, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight)

    def forward(self, images):
        return self.make(images.flatten(1) @ self.weight.T)


def model(make, *, classes=3, how=PLAIN, own=False) -> PixelClassifier:
    network = Given(make, classes)
    made = Classifier(None if own else network, how, classes, network if own else None)
    return PixelClassifier(made, device=CPU, fold_batch_norm=False)


def no_tensor():
    def loss_and_logits(z):
        return {"loss": z.sum(), "logits": z}

    return [
        (lambda z: None, "a NoneType"),
        (loss_and_logits, "a dict of loss, logits"),
        (lambda z: (z, z), "a tuple of 2"),
        (lambda z: [z], "a list of 1"),
        (lambda z: "logits", "a str"),
        (lambda z: z.detach().numpy(), "a ndarray"),
    ]


def wrong_shape():
    return [
        (lambda z: z[0], "(3,)", "classes"),
        (lambda z: z[:2], "(2, 3)", "classes"),
        (lambda z: z.sum(), "()", "classes"),
        (lambda z: z[:, :, None, None], "(4, 3, 1, 1)", "classes"),
        (lambda z: torch.cat((z[:, :1], z), 1), "(4, 4)", "name it in preprocessing.background"),
        (lambda z: z[:, :1], "(4, 1)", "one logit z for two classes"),
        (lambda z: z.T, "(3, 4)", "classes"),
    ]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("background", [None, 0])
@pytest.mark.parametrize(("make", "what"), no_tensor())
def test_what_is_no_tensor_is_one_line(make, what, background, own):
    subject = model(make, how=Preprocessing((2, 2), background=background), own=own)
    with pytest.raises(ModelError) as caught:
        subject.predict(IMAGES)
    line = str(caught.value)
    assert line.startswith(f"the model returned {what}; one tensor of logits is expected")
    assert "\n" not in line


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("make", "shape", "hint"), wrong_shape())
def test_a_wrong_shape_is_one_line_with_what_is_expected(make, shape, hint, own):
    subject = model(make, own=own)
    with pytest.raises(ModelError) as caught:
        subject.predict(IMAGES)
    line = str(caught.value)
    assert line.startswith(f"the model returned {shape} for 4 images; logits (4, 3) are expected")
    assert hint in line
    if not own:
        with pytest.raises(ModelError) as again:
            subject.forward(IMAGES)
        assert str(again.value) == line


def test_a_background_that_is_not_there_is_asked_about():
    subject = model(lambda z: z, how=Preprocessing((2, 2), background=0))
    with pytest.raises(ModelError, match=r"output 0 was dropped as preprocessing.background"):
        subject.predict(IMAGES)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float16, "float16"),
        (torch.bfloat16, "bfloat16"),
        (torch.int64, "int64"),
        (torch.bool, "bool"),
        (torch.complex64, "complex64"),
    ],
)
def test_other_numbers_than_float32_are_told(dtype, name):
    subject = model(lambda z: z.to(dtype))
    with pytest.raises(ModelError, match=f"the model returned {name}; float32 logits"):
        subject.predict(IMAGES)


def test_float64_is_rounded():
    found = model(lambda z: z.double()).predict(IMAGES)
    assert found.dtype is torch.float32
    assert (found == model(lambda z: z).predict(IMAGES)).all()


def test_a_model_that_raises_is_one_line():
    def fall(z):
        raise ValueError("no\nsuch\n  thing")

    with pytest.raises(ModelError) as caught:
        model(fall).predict(IMAGES)
    assert str(caught.value) == "the model failed: ValueError: no such thing"


class Overwriting(nn.Module):
    """Normalises its input in place, as some networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 12))

    def forward(self, images):
        images.sub_(0.5).div_(0.25)
        return images.flatten(1) @ self.weight.T


@pytest.mark.parametrize(
    "how",
    [
        Preprocessing((2, 2)),
        Preprocessing((2, 2), std=(0.5, 0.5, 0.5)),
        Preprocessing((2, 2), mean=(0.1, 0.2, 0.3)),
        Preprocessing((2, 2), channels="bgr"),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_a_network_may_work_in_place_on_its_input(how, own):
    network = Overwriting()
    made = Classifier(None if own else network, how, 3, network if own else None)
    subject = PixelClassifier(made, device=CPU, fold_batch_norm=False)
    images = IMAGES.clone()
    first = subject.predict(images)
    assert (images == IMAGES).all()
    assert (subject.predict(images) == first).all()
    if own:
        return
    point = images.requires_grad_(True)
    logits = subject.forward(point)
    (gradient,) = torch.autograd.grad(logits.sum(), point)
    assert (logits == first).all()
    assert (point == IMAGES).all()
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_model_cannot_end_the_run(kind):
    def end(z):
        raise kind("now")

    with pytest.raises(ModelError, match=f"the model failed: {kind.__name__}: now"):
        model(end).predict(IMAGES)
