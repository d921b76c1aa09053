"""The trial of a model: what must agree between passes, and what outputs look like."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.api import Classifier, ModelError, Preprocessing
from harness.engine.classifier import PixelClassifier
from harness.engine.trial import IMAGES, tried
from harness.testing.fakes import pixel_model

REAL = torch.rand(IMAGES, 3, 4, 4, generator=torch.Generator().manual_seed(7))


class Linear(nn.Module):
    """Logits of 5 classes; subclasses spoil them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(5, 48, generator=torch.Generator().manual_seed(0)), requires_grad=False
        )

    def forward(self, images):
        return self.spoilt(images.flatten(1) @ self.weight.T)

    def spoilt(self, logits):
        return logits


class Noisy(Linear):
    def spoilt(self, logits):
        return logits + torch.randn_like(logits)


class Dropout(Linear):
    def forward(self, images):
        kept = nn.functional.dropout(images.flatten(1), 0.5, training=True)
        return kept @ self.weight.T


class Stateful(Linear):
    calls = 0

    def spoilt(self, logits):
        self.calls += 1
        return logits * (1 + 0.1 * self.calls)


class Normalised(Linear):
    """Batch norm without stored statistics: what a forgotten ``eval`` comes to."""

    def spoilt(self, logits):
        return (logits - logits.mean(0)) / (logits.var(0, correction=0) + 1e-5).sqrt()


class Ordered(Linear):
    """Looks at the place in the batch."""

    def spoilt(self, logits):
        return logits + torch.arange(len(logits))[:, None]


class NaNForOne(Linear):
    def forward(self, images):
        logits = images.flatten(1) @ self.weight.T
        return self.spoilt(logits.where((images != REAL[1]).flatten(1).any(1)[:, None], torch.nan))


class Contagious(NaNForOne):
    """One image that is not finite spoils the whole batch."""

    def spoilt(self, logits):
        return logits + 0 * logits.sum(0)


def trial_of(network, images=REAL, background=None, forward=None):
    how = Preprocessing((4, 4), background=background)
    made = Classifier(network, how, 5 - (background is not None), forward)
    model = PixelClassifier(made, device=torch.device("cpu"), fold_batch_norm=False)
    return tried(model, images, lambda size: None)


@pytest.mark.parametrize("count", range(IMAGES + 1))
def test_a_sound_model_is_found_so_with_any_number_of_images(count):
    found = trial_of(Linear(), REAL[:count])
    assert (found.images, found.deterministic, found.outputs) == (IMAGES, True, "logits")
    assert found.difference == 0


@pytest.mark.parametrize("network", [Noisy(), Dropout(), Stateful()])
def test_passes_that_differ_are_marked_with_how_much(network):
    torch.manual_seed(0)
    found = trial_of(network)
    assert not found.deterministic
    assert 0.01 < found.difference < 2


@pytest.mark.parametrize("network", [Normalised(), Ordered(), Contagious()])
@pytest.mark.parametrize("forward", [None, Linear()])
def test_an_image_that_depends_on_its_batch_is_refused(network, forward):
    """Also where the module that attacks follow has a sound forward pass beside it."""
    with pytest.raises(ModelError) as caught:
        trial_of(network, forward=forward)
    line = str(caught.value)
    assert line.startswith("an image's logits depend on the other images of its batch")
    assert " of the largest logit" in line
    assert "\n" not in line


def test_one_image_alone_is_compared_with_noise_beside_it():
    with pytest.raises(ModelError, match="depend on the other images"):
        trial_of(Normalised(), REAL[:1])


def test_nan_for_one_image_is_that_images_own_affair():
    assert trial_of(NaNForOne()).deterministic


@pytest.mark.parametrize(
    ("spoil", "background", "outputs"),
    [
        (lambda z: z, None, "logits"),
        (lambda z: z.softmax(1), None, "probabilities"),
        (lambda z: z.softmax(1), 4, "probabilities"),
        (lambda z: z.log_softmax(1), None, "log-probabilities"),
        (lambda z: z.sigmoid(), None, "logits"),
        (lambda z: z.relu(), None, "logits"),
        (lambda z: z - z.amax(1, keepdim=True), None, "logits"),
        (lambda z: z.softmax(1) * 2, None, "logits"),
    ],
)
def test_what_outputs_are(spoil, background, outputs):
    network = Linear()
    network.spoilt = spoil
    assert trial_of(network, background=background).outputs == outputs


def test_little_memory_makes_the_trial_smaller():
    class Hungry(Linear):
        def spoilt(self, logits):
            if len(logits) > 2:
                raise torch.OutOfMemoryError
            return logits

    halvings: list[int] = []
    found = tried(pixel_model(Hungry(), classes=5, size=(4, 4)), REAL, halvings.append)
    assert found.images == 2
    assert halvings == [2]


class Kinked(Linear):
    """Logits that look right, with a gradient or a neighbourhood that is not theirs."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, images):
        return self.how(self, images.flatten(1))


def pixels(network, flat):
    return flat @ network.weight.T


def halved(network, flat):
    """Every second pixel is kept from the gradient."""
    odd = torch.arange(flat.shape[1]) % 2 == 0
    return pixels(network, torch.where(odd, flat, flat.detach()))


def reversed_(network, flat):
    return pixels(network, 2 * flat.detach() - flat)


def rounded(network, flat):
    """Steps of a fifth, and the gradient of the identity."""
    return pixels(network, flat + ((5 * flat).round() / 5 - flat).detach())


@pytest.mark.parametrize(
    ("how", "low", "high"),
    [
        (pixels, 0, 1e-3),
        (lambda network, flat: 1e6 * pixels(network, flat), 0, 1e-3),
        (lambda network, flat: pixels(network, flat).tanh(), 0, 0.02),
        (halved, 0.5, 2),  # 1 is exact
        (reversed_, 1, 4),  # 2 is exact
        (rounded, 0.5, 9),
    ],
)
def test_a_gradient_is_the_functions_own_or_the_trial_says_so(how, low, high):
    found = trial_of(Kinked(how))
    assert low <= found.gradient_error < high
    assert found.outputs == "logits"


def flat_steps(network, flat):
    return pixels(network, (5 * flat).round() / 5)


def no_graph(network, flat):
    return pixels(network, flat.detach())


@pytest.mark.parametrize("how", [flat_steps, no_graph])
def test_without_a_gradient_there_is_no_error(how):
    assert trial_of(Kinked(how)).gradient_error is None


def test_a_model_of_one_image_in_a_million_is_unstable_nearby():
    """It knows the images to the last bit, and answers others at random."""

    class Memory(Linear):
        def forward(self, images):
            known = (images[:, None] == REAL).flatten(2).all(2).any(1)
            logits = images.flatten(1) @ self.weight.T
            return torch.where(known[:, None], logits, -logits)

    assert trial_of(Linear()).nearby < 1e-3
    assert trial_of(Memory()).nearby > 1
    assert trial_of(NaNForOne()).nearby == 1  # finite nearby, not on the image itself


def test_a_forward_pass_with_gradients_of_its_own_is_dynamic():
    class Purified(Linear):
        def forward(self, images):
            with torch.inference_mode(False), torch.enable_grad():
                moved = images.clone().requires_grad_()
                energy = (moved.flatten(1) @ self.weight.T).square().sum()
                (slope,) = torch.autograd.grad(energy, moved)
            return (images - 0.01 * slope).flatten(1) @ self.weight.T

    assert not trial_of(Linear()).dynamic
    assert trial_of(Purified()).dynamic
    assert trial_of(Linear(), forward=Purified()).dynamic
