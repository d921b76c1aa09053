"""Defences with a fault around any classifier: what attacks and leaderboards must not believe.

    from harness.testing.zoo import FAULTS, defended
    model = defended("rounded-input", classifier)

Each overstates, or misstates, the robustness of the network within in a way that the literature has
met, and keeps most of its clean accuracy. The harness says which indicator catches it:
``harness leaderboard`` marks the model, and docs/indicators.md has the table.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.api import Classifier, ConfigError, Preprocessing
from harness.engine.classifier import PixelSpace


class Defence(nn.Module):
    """A network in pixel space: images (n, channels, height, width) in [0, 1] to logits.

    Attributes:
        caught: the names of the indicators of which at least one is raised.
    """

    caught: ClassVar[tuple[str, ...]]

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits


class DeadGradients(Defence):
    """Logits rounded to a tenth: a staircase, flat where it is differentiable (Athalye et al. 2018,
    shattered gradients)."""

    caught = ("zero-gradients",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return (10 * logits).round() / 10


class RoundedInput(Defence):
    """Pixel values rounded to 9 levels (Xu et al. 2018, feature squeezing): no gradient passes."""

    caught = ("zero-gradients",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network((8 * images).round() / 8)
        return logits


class Thermometer(Defence):
    """Each value as the number of 15 thresholds below it (Buckman et al. 2018)."""

    caught = ("zero-gradients",)
    LEVELS = 15

    def forward(self, images: Tensor) -> Tensor:
        thresholds = (torch.arange(self.LEVELS, device=images.device) + 0.5) / self.LEVELS
        code = ((images[..., None] - thresholds).sign() + 1) / 2
        logits: Tensor = self.network(code.mean(-1))
        return logits


class HugeLogits(Defence):
    """Logits times a million: the softmax is 0 or 1 in float32."""

    caught = ("huge-logits",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return 1e6 * logits


class LowTemperature(Defence):
    """Logits over a temperature of .001, as defensive distillation leaves them (Papernot et al.
    2016; broken by Carlini & Wagner 2017)."""

    caught = ("huge-logits",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits / 1e-3


class SoftmaxTwice(Defence):
    """Returns probabilities, to which every loss applies its softmax again."""

    caught = ("probabilities",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits.softmax(1)


class NoisyInput(Defence):
    """Normal noise of deviation .1 on the pixels, drawn anew in each pass (randomised smoothing
    without the smoothing)."""

    caught = ("non-deterministic",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images + 0.1 * torch.randn_like(images))
        return logits


class RandomResize(Defence):
    """Resized by a random factor and padded at a random place (Xie et al. 2018)."""

    caught = ("non-deterministic",)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        share = 0.85 + 0.15 * float(torch.rand(()))
        size = math.ceil(share * height), math.ceil(share * width)
        small = functional.interpolate(images, size, mode="bilinear", align_corners=False)
        free = height - size[0], width - size[1]
        top, left = (int(torch.randint(room + 1, ())) for room in free)
        padded = functional.pad(small, (left, free[1] - left, top, free[0] - top))
        logits: Tensor = self.network(padded)
        return logits


class DropoutLeftOn(Defence):
    """A tenth of the pixels is dropped, as by a network that is left in training mode."""

    caught = ("non-deterministic",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(functional.dropout(images, 0.1, training=True))
        return logits


class DetachedPart(Defence):
    """The lower half of the image is kept from the gradient, as by a ``detach`` left behind."""

    caught = ("wrong-gradients",)

    def forward(self, images: Tensor) -> Tensor:
        half = images.shape[2] // 2
        seen, hidden = images[:, :, :half], images[:, :, half:].detach()
        logits: Tensor = self.network(torch.cat((seen, hidden), dim=2))
        return logits


class ReversedGradients(Defence):
    """The forward pass of the network with the gradient's sign turned."""

    caught = ("wrong-gradients",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(2 * images.detach() - images)
        return logits


class IdentityBackward(Defence):
    """Blocks of 8 x 8 cosine coefficients rounded as JPEG rounds them (Guo et al. 2018), with the
    gradient of the identity, as BPDA has it: near the function's slope, but not it."""

    caught = ("wrong-gradients",)
    STEP = 0.5

    def forward(self, images: Tensor) -> Tensor:
        rounded = self._compressed(images.detach())
        logits: Tensor = self.network(images + (rounded - images.detach()))
        return logits

    def _compressed(self, images: Tensor) -> Tensor:
        n, channels, height, width = images.shape
        side = math.gcd(8, math.gcd(height, width))
        row = torch.arange(side, device=images.device, dtype=images.dtype)
        basis = torch.cos(math.pi / side * (row + 0.5) * row[:, None]) * math.sqrt(2 / side)
        basis[0] /= math.sqrt(2)
        blocks = images.reshape(n, channels, height // side, side, width // side, side)
        blocks = blocks.transpose(3, 4)
        coefficients = basis @ blocks @ basis.T
        rounded = basis.T @ ((coefficients / self.STEP).round() * self.STEP) @ basis
        return rounded.transpose(3, 4).reshape(images.shape)


class KWinners(Defence):
    """Every ReLU module keeps a fifth of its values, the largest of the image (k-WTA, Xiao et al.
    2020): discontinuous nearly everywhere."""

    caught = ("wrong-gradients", "beaten-by-transfer", "beaten-by-black-box")

    def __init__(self, network: nn.Module) -> None:
        super().__init__(copy.deepcopy(network))
        for parent in list(self.network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.ReLU):
                    setattr(parent, name, _Winners())


class _Winners(nn.Module):
    SHARE = 0.2

    def forward(self, values: Tensor) -> Tensor:
        flat = values.flatten(1)
        least = flat.topk(max(1, int(self.SHARE * flat.shape[1])), dim=1).values[:, -1:]
        kept = (flat >= least).view_as(values)
        return torch.where(kept, values, 0.0)


class Shattered(Defence):
    """A ripple too fine to see on every pixel, whose slope hides the network's own."""

    caught = ("wrong-gradients",)
    HEIGHT, WAVES = 1e-3, 1e5

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images + self.HEIGHT * (self.WAVES * images).sin())
        return logits


class NaNUnderAttack(Defence):
    """NaN wherever the network is not sure of its answer: no attack gets past the boundary."""

    caught = ("lost-gradients",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        unsure = logits.softmax(1).amax(1, keepdim=True) < 0.9
        return torch.where(unsure, torch.nan, logits)


class NaNGradients(Defence):
    """Adds the root of nothing: the same logits, whose gradient is not a number."""

    caught = ("lost-gradients",)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        nothing = (images - images.detach()).square().sum(dim=(1, 2, 3)).sqrt()
        return logits + nothing[:, None]


class LabelLeak(Defence):
    """Knows the images that it is judged on to the last bit, and abstains on all others.

    It tells them by the sum of their values, so that any change of an image makes it unknown.
    """

    caught = ("unstable",)
    known: Tensor

    def __init__(self, network: nn.Module, known: Tensor) -> None:
        super().__init__(network)
        self.register_buffer("known", known.flatten(1).double().sum(1))

    def forward(self, images: Tensor) -> Tensor:
        sums = images.flatten(1).double().sum(1)
        known = torch.isin(sums, self.known)
        logits: Tensor = self.network(images)
        return torch.where(known[:, None], logits, torch.zeros_like(logits))


class Purified(Defence):
    """Moves the image towards what it is sure of before it answers (test-time optimisation, as
    Shi et al. 2021), out of sight of the gradient."""

    caught = ("dynamic",)

    def forward(self, images: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            moved = images.detach().clone().requires_grad_()
            sure = self.network(moved).softmax(1).amax(1).log().sum()
            (slope,) = torch.autograd.grad(sure, moved)
        logits: Tensor = self.network(images + 0.01 * slope.sign())
        return logits


FAULTS: Mapping[str, type[Defence]] = {
    "dead-gradients": DeadGradients,
    "rounded-input": RoundedInput,
    "thermometer": Thermometer,
    "huge-logits": HugeLogits,
    "low-temperature": LowTemperature,
    "softmax-twice": SoftmaxTwice,
    "noisy-input": NoisyInput,
    "random-resize": RandomResize,
    "dropout-left-on": DropoutLeftOn,
    "detached-part": DetachedPart,
    "reversed-gradients": ReversedGradients,
    "identity-backward": IdentityBackward,
    "k-winners": KWinners,
    "shattered": Shattered,
    "nan-under-attack": NaNUnderAttack,
    "nan-gradients": NaNGradients,
    "label-leak": LabelLeak,
    "purified": Purified,
}
"""Every faulty defence by its name."""


def defended(name: str, classifier: Classifier, known: Tensor | None = None) -> Classifier:
    """``classifier`` behind the faulty defence ``name``, in pixel space.

    Args:
        known: float32 (n, channels, height, width) in [0, 1], the images that ``label-leak`` has
            seen; the others take none.

    Raises:
        ConfigError: no such defence, a classifier without a module, or ``known`` is not given.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ConfigError(f"no faulty defence {name!r}", hint=f"there are: {', '.join(FAULTS)}")
    if classifier.module is None:
        raise ConfigError("a faulty defence is put around a torch module, and this model has none")
    network = PixelSpace(classifier.module, classifier.preprocessing)
    if kind is LabelLeak:
        if known is None:
            raise ConfigError("label-leak needs the images that it knows", hint="pass known=")
        made: Defence = LabelLeak(network, known)
    else:
        made = kind(network)
    how = classifier.preprocessing
    order = "rgb" if how.channels == "bgr" else how.channels  # the network within turns them
    pixels = Preprocessing(how.size, channels=order, cut=how.cut)
    return Classifier(made.eval().requires_grad_(False), pixels, classifier.classes)
