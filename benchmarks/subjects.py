"""The models and images of the peer benchmark, the same object for everyone.

Model A: a CNN of about 150,000 parameters on the digits as 1 x 32 x 32, trained here in seconds.
Model B: MobileNet-0.50-160 on photographs, from ``examples/imagenet-mini.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from measure import Turns
from torch import Tensor, nn

from harness.api.goal import random_target
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.execute.images import Images
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import prepare
from harness.resolve.request import Request
from harness.testing import truth
from harness.testing.fakes import pixel_model
from harness_digits.data import digits, split

OVERLAY = Path(__file__).parent.parent / "examples" / "imagenet-mini.yaml"


class Watched(nn.Module):
    """``network``, counting the images that pass it, and giving its turn away now and then."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.turns = Turns()

    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # the grad mode is the thread's, not the turn's
            self.turns.breathe()
        logits: Tensor = self.network(images)
        self.turns.passes.forwards += len(images)
        if logits.requires_grad:
            logits.register_hook(self._backward)
        return logits

    def _backward(self, gradient: Tensor) -> None:
        self.turns.passes.backwards += len(gradient)


@dataclass(frozen=True)
class Subject:
    """A model and the correctly classified images to attack, with random targets or untargeted.

    Attributes:
        model: as the engine takes it; its network is `network`.
        network: pixels in [0, 1] to logits, weights frozen, for the peers.
        images: float32 (n, channels, height, width) in the network's memory format.
    """

    name: str
    model: PixelClassifier
    network: Watched
    images: Tensor
    labels: Tensor
    targets: Tensor
    batch: int
    targeted: bool = True

    @property
    def jobs(self) -> list[Job]:
        rows = zip(self.images, self.labels.tolist(), self.targets.tolist(), strict=True)
        return [
            Job("bench", str(n), image, label, target if self.targeted else None, seed=n)
            for n, (image, label, target) in enumerate(rows)
        ]

    def untargeted(self) -> Subject:
        return replace(self, targeted=False)

    def reached(self, predicted: Tensor) -> Tensor:
        """Whether each of the predicted classes is what the goal asks for."""
        return predicted == self.targets if self.targeted else predicted != self.labels

    def first(self, count: int) -> Subject:
        rows = slice(count)
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            targets=self.targets[rows],
        )


def model_a(count: int, batch: int) -> Subject:
    """The CNN on digits and the first ``count`` images that it classifies correctly."""
    pictures, classes = digits()
    images, labels = torch.from_numpy(pictures[:, :1].copy()), torch.from_numpy(classes)
    network = _trained(images[split("train")], labels[split("train")])
    model = pixel_model(network, classes=10, size=(32, 32))
    model.shape = (1, 32, 32)
    test = torch.from_numpy(split("test"))
    order = torch.cat((test, torch.from_numpy(split("train"))))
    return _subject("A: CNN on digits", model, images[order], labels[order], count, batch)


def model_b(folder: Path, count: int, batch: int) -> Subject:
    """MobileNet-0.50-160 and the first ``count`` photographs that it classifies correctly."""
    return photographs("mobilenet_v1_050_160", folder, count, batch, "B: MobileNet-0.50-160")


def photographs(model: str, folder: Path, count: int, batch: int, name: str = "") -> Subject:
    """One of the seven of ``examples/imagenet-mini.yaml``, and ``count`` photographs it has right.

    ``folder`` has the photographs in ``images``.
    """
    data = {"imagenet": folder / "images"}
    request = Request(suite="imagenet-mini", models=[model], data=data)
    return _resolved(request, [OVERLAY], name or model, count, batch)


def digits_model(model: str, count: int, batch: int) -> Subject:
    """One of the 18 models on digits and the first ``count`` of their images it has right."""
    return _resolved(Request(suite="digits18", models=[model]), [], model, count, batch)


def known_distances(network: truth.Network, name: str, count: int) -> Subject:
    """A network of `harness.testing.truth` and those of its ``count`` images it has right."""
    model = pixel_model(network.module, classes=network.classes, size=network.shape[1:])
    pixels, labels = (torch.from_numpy(each[:count]) for each in truth.images())
    return _subject(name, model, pixels, labels, count, count).untargeted()


def _resolved(request: Request, overlays: list[Path], name: str, count: int, batch: int) -> Subject:
    resolved = prepare(request, load(overlays), installed())
    ((loader, spec),) = resolved.models.values()
    model = PixelClassifier(
        loader.load(spec, "cpu"), device=torch.device("cpu"), fold_batch_norm=True
    )
    images = Images(resolved.dataset)
    planned = resolved.plan.cells[0].images[: 3 * count]
    shape, cut = spec.preprocessing.shape, spec.preprocessing.cut
    pictures = torch.stack([images.read(each.id, shape, cut) for each in planned])
    labels = torch.tensor([each.label for each in planned])
    return _subject(name, model, pictures, labels, count, batch)


def _subject(
    name: str, model: PixelClassifier, images: Tensor, labels: Tensor, count: int, batch: int
) -> Subject:
    correct = torch.cat([model.predict(part).argmax(1) for part in images.split(256)]) == labels
    rows = correct.nonzero().squeeze(1)[:count]
    images = images[rows].contiguous(memory_format=model.memory_format)
    labels = labels[rows]
    targets = [
        random_target(seed=0, dataset="bench", image_id=str(n), label=label, classes=model.classes)
        for n, label in enumerate(labels.tolist())
    ]
    assert model.differentiable is not None
    network = Watched(model.differentiable).eval()
    model.differentiable = network
    return Subject(name, model, network, images, labels, torch.tensor(targets), batch)


def _trained(images: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 120),
        nn.ReLU(),
        nn.Linear(120, 10),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(12):
        for rows in torch.randperm(len(images)).split(64):
            loss = nn.functional.cross_entropy(network(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval().requires_grad_(False)
