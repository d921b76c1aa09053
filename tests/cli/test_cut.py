"""A run shows each model its pictures the way that the model asks for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.api import Cut, DatasetSpec, ModelSpec, Preprocessing
from harness.engine.classifier import PixelClassifier
from harness_datasets.folder import FolderDataset
from harness_digits.loader import DigitsLoader

OVERLAY = """\
datasets:
  noise:
    {reader: folder, version: "1", classes: 10, root: noise,
     options: {classes: sorted, resize: timm}}
models:
  whole: &model
    loader: digits
    architecture: digits-alexnet
    family: AlexNet
    classes: 10
    preprocessing: {size: [32, 32], cut: {crop: 1.0, interpolation: bicubic}}
  part:
    <<: *model
    preprocessing: {size: [32, 32], cut: {crop: 0.5, interpolation: bilinear}}
suites:
  cuts:
    dataset: noise
    models: [whole, part]
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.01}}
    metrics: [accuracy, success, linf]
"""


@pytest.mark.parametrize(
    ("name", "cut"), [("whole", Cut(1.0, "bicubic")), ("part", Cut(0.5, "bilinear"))]
)
def test_the_margins_are_those_of_the_models_own_cut(harness, tmp_path: Path, name, cut) -> None:
    generator = np.random.default_rng(0)
    for label in range(10):
        folder = tmp_path / "noise" / str(label)
        folder.mkdir(parents=True)
        pixels = generator.integers(0, 256, (50, 44, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "1.png")
    (tmp_path / "cuts.yaml").write_text(OVERLAY)
    done = harness("run", "--registry", "cuts.yaml", "--suite", "cuts", "--models", name)
    assert done.code == 0, done.err
    with sqlite3.connect("harness.db") as db:
        found = dict(db.execute("SELECT image_id, margin FROM clean_predictions"))

    spec = DatasetSpec("noise", tmp_path / "noise", {"classes": "sorted", "resize": "timm"})
    dataset = FolderDataset(spec)
    told = ModelSpec(name, "digits-alexnet", None, Preprocessing((32, 32)), 10, {})
    loaded = DigitsLoader().load(told, "cpu")
    model = PixelClassifier(loaded, device=torch.device("cpu"), fold_batch_norm=True)
    assert len(found) == 10
    for sample in dataset.samples():
        logits = model.predict(torch.from_numpy(dataset.read(sample, (32, 32), cut))[None])[0]
        others = torch.cat((logits[: sample.label], logits[sample.label + 1 :]))
        assert found[sample.id] == pytest.approx(float(logits[sample.label] - others.max()), 1e-4)
