"""A third party's plugin: a data set of four classes, and models with something wrong each."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from harness.api import (
    Classifier,
    Dataset,
    ModelLoader,
    Register,
    Sample,
    WeightsFile,
    hookimpl,
)

HARNESS_API = 1
CLASSES, IMAGES = 4, 40


@hookimpl
def register_model_loaders(register: Register) -> None:
    register("suspects", "suspects:Loader", version="1", summary="")


@hookimpl
def register_datasets(register: Register) -> None:
    register("columns", "suspects:Columns", version="1", summary="")


class Columns(Dataset):
    """Noise of 4 x 4; the column of the class is brighter."""

    classes = CLASSES

    def samples(self):
        return [Sample(f"i{i:02}", i % CLASSES) for i in range(IMAGES)]

    def digest(self, sample):
        return hashlib.sha256(sample.id.encode()).hexdigest()

    def read(self, sample, size, cut=None):
        generator = np.random.default_rng(int(sample.id[1:]))
        image = generator.uniform(0.2, 0.5, (3, *size)).astype(np.float32)
        image[:, :, sample.label] += 0.3
        return image


class Sound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(3.0))

    def forward(self, images):
        return self.spoilt(self.gain * images.sum((1, 2)))

    def spoilt(self, logits):
        return logits


class Noisy(Sound):
    def spoilt(self, logits):
        return logits + 0.1 * torch.randn_like(logits)


class Batched(Sound):
    def spoilt(self, logits):
        return logits - logits.mean(0)


class Probabilities(Sound):
    def spoilt(self, logits):
        return logits.softmax(1)


class Shifted(Sound):
    """What one class too many in front comes to."""

    def spoilt(self, logits):
        return logits.roll(1, 1)


class Half(Sound):
    """Takes the first two classes for each other, and some of a third for the last."""

    def spoilt(self, logits):
        return logits[:, [1, 0, 2, 3]] + torch.tensor([0.0, 0.0, 0.0, 9.75])


class Dictionary(Sound):
    def spoilt(self, logits):
        return {"logits": logits}


class OneLogit(Sound):
    def spoilt(self, logits):
        return logits[:, :1]


class Raising(Sound):
    def spoilt(self, logits):
        raise ZeroDivisionError("no")


class NaNForOne(Sound):
    """Of the image whose second class is the brightest of all."""

    def forward(self, images):
        logits = super().forward(images)
        first = Columns.read(None, Sample("i01", 1), (4, 4))
        mine = (images - torch.from_numpy(first)).abs().amax((1, 2, 3)) < 1e-6
        return torch.where(mine[:, None], torch.nan, logits)


class Overwriting(Sound):
    def forward(self, images):
        return super().forward(images.sub_(0.1).mul_(2))


NETWORKS = {
    "sound": Sound,
    "noisy": Noisy,
    "batched": Batched,
    "probabilities": Probabilities,
    "shifted": Shifted,
    "half": Half,
    "dictionary": Dictionary,
    "onelogit": OneLogit,
    "raising": Raising,
    "nan": NaNForOne,
    "overwriting": Overwriting,
}


class Loader(ModelLoader):
    """``architecture`` names the network."""

    def weights(self, spec):
        return WeightsFile(Path(__file__))

    def load(self, spec, device):
        torch.manual_seed(0)
        module = NETWORKS[spec.architecture]().to(device)
        return Classifier(module, spec.preprocessing, spec.classes)
