"""A third party's plugin: pictures that come at any size, and toy models of any size for them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from harness.api import (
    Classifier,
    Dataset,
    ModelError,
    ModelLoader,
    Register,
    Sample,
    WeightsFile,
    hookimpl,
)

HARNESS_API = 1
CLASSES = 6


@hookimpl
def register_model_loaders(register: Register) -> None:
    register("toy", "sizes:ToyLoader", version="1", summary="")


@hookimpl
def register_datasets(register: Register) -> None:
    register("halves", "sizes:Halves", version="1", summary="")


class Halves(Dataset):
    """Noise; in pictures of class c + 3 h, channel c is brighter in the upper (lower) half."""

    classes = CLASSES

    def samples(self):
        return [Sample(f"p{i:02}", i % CLASSES) for i in range(24)]

    def digest(self, sample):
        return hashlib.sha256(sample.id.encode()).hexdigest()

    def read(self, sample, size, cut=None):
        seed = [int(sample.id[1:]), *size, 0 if cut is None else round(100 * cut.crop)]
        image = np.random.default_rng(seed).uniform(0.2, 0.6, (3, *size)).astype(np.float32)
        half, channel = divmod(sample.label, 3)
        rows = slice(size[0] // 2) if half == 0 else slice(size[0] // 2, None)
        image[channel, rows] += 0.15
        return image


class Toy(nn.Module):
    """The halves' means, and a random linear layer."""

    def __init__(self, size: tuple[int, int], seed: int, *, nan: bool) -> None:
        super().__init__()
        self.middle, self.nan = size[0] // 2, nan
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(CLASSES, 3 * size[0] * size[1], generator=generator) * 0.02
        self.weight = nn.Parameter(weight)

    def forward(self, images):
        upper = images[:, :, : self.middle].mean((2, 3))
        lower = images[:, :, self.middle :].mean((2, 3))
        logits = 20 * torch.cat((upper, lower), 1) + images.flatten(1) @ self.weight.T
        if self.nan:  # of bright pictures
            return logits / (images.mean((1, 2, 3)) < 0.43)[:, None]
        return logits


class ToyLoader(ModelLoader):
    """``architecture`` is the seed. Models named in BROKEN cannot be loaded."""

    def weights(self, spec):
        return WeightsFile(Path(__file__))

    def load(self, spec, device):
        if spec.name in os.environ.get("BROKEN", "").split(","):
            raise ModelError("is broken")
        nan = spec.name in os.environ.get("NAN", "").split(",")
        module = Toy(spec.preprocessing.size, int(spec.architecture), nan=nan)
        return Classifier(module.to(device), spec.preprocessing, spec.classes)
