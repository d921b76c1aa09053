"""Real photographs and real ImageNet-trained models, where they are: beside the repository."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import torch

from harness.api import Dataset, Goal
from harness.registry import Registry, load
from harness_datasets.folder import FolderDataset
from harness_models.onnx import OnnxLoader

REPOSITORY = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("HARNESS_IMAGENET_MINI", REPOSITORY / "../shared/imagenet-mini"))

# Top-1 and top-5 in percent by `slim`, from the folder's README.
EXPECTED = {
    "mobilenet_v1_025_128": (42.8, 69.2),
    "mobilenet_v1_050_160": (70.4, 87.2),
    "mobilenet_v1_075_192": (78.0, 93.6),
    "mobilenet_v2_100_224": (89.6, 97.2),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load([REPOSITORY / "examples" / "imagenet-mini.yaml"])


def dataset(registry: Registry) -> Dataset:
    return FolderDataset(registry.datasets["imagenet"].spec(FOLDER / "images"))


def test_the_example_names_models_and_suite(registry: Registry) -> None:
    assert set(EXPECTED) <= set(registry.models)
    assert registry.suites["imagenet-mini"].dataset == "imagenet"


def test_the_short_suite_has_something_of_every_kind(registry: Registry) -> None:
    """Board, joint board, transfers and findings each have what they are made from."""
    short = registry.suites["imagenet-mini-short"]
    names = [name for name in registry.models if any(fnmatchcase(name, x) for x in short.models)]
    assert len(names) == 7
    assert len({registry.models[name].preprocessing.size for name in names}) == 6
    kept = [entry for entry in short.attacks if entry.keep]
    assert short.transfer
    assert {entry.attack for entry in kept} == {"fgsm", "ifgsm", "cw", "ead"}
    assert all(Goal.UNTARGETED in (entry.goals or ()) for entry in kept)
    (clever,) = short.measurements
    assert clever.parameters["norms"] == ["l2", "linf"]
    beside = {
        entry.attack for entry in short.attacks if set(clever.goals or ()) <= set(entry.goals or ())
    }
    assert {"cw", "ifgsm"} <= beside


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no {FOLDER}: set HARNESS_IMAGENET_MINI")
def test_photographs(registry: Registry) -> None:
    samples = dataset(registry).samples()
    assert [sample.label for sample in samples] == list(range(0, 1000, 4))
    assert len({dataset(registry).digest(sample) for sample in samples}) == 250


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no {FOLDER}: set HARNESS_IMAGENET_MINI")
@pytest.mark.parametrize("name", EXPECTED)
def test_models_recognise_them(registry: Registry, name: str) -> None:
    entry = registry.models[name]
    weights = FOLDER / "models" / f"{name}.onnx"
    classifier = OnnxLoader().load(entry.spec(weights), "cpu")
    assert classifier.forward is not None
    assert classifier.module is not None
    photographs = dataset(registry)
    samples = photographs.samples()
    pixels = torch.stack(
        [torch.from_numpy(photographs.read(sample, entry.preprocessing.size)) for sample in samples]
    )
    labels = torch.tensor([sample.label for sample in samples])
    images = (pixels - 0.5) / 0.5
    logits = classifier.forward(images)
    top1 = (logits.argmax(1) == labels).double().mean().item() * 100
    top5 = (logits.topk(5).indices == labels[:, None]).any(1).double().mean().item() * 100
    assert (top1, top5) == pytest.approx(EXPECTED[name], abs=1.0)
    with torch.no_grad():
        difference = (classifier.module(images[:8]) - logits[:8]).abs().max()
    assert difference / logits[:8].abs().max() < 1e-4
