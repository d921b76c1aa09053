"""Examples for the conformance suite: a few small photographs of noise, in class folders."""

from __future__ import annotations

from pathlib import Path

from harness.api import DatasetExample, Examples
from harness_datasets import stored_examples
from harness_datasets.tree import class_numbers

NUMBERS = (7, 293, 29510, 50000)
"""Of ImageNet's validation images, of different classes."""


def folder(place: Path) -> DatasetExample:
    """Two classes by name, PNG and JPEG; the third image is cut off by damage."""
    files = [
        _image(place / "root" / label / name, row)
        for row, (label, name) in enumerate(
            [("cat", "one.png"), ("cat", "two.jpg"), ("dog", "one.png"), ("dog", "three.jpg")]
        )
    ]
    options = {"classes": "sorted"}
    return _example(place, files[2], "dog/one.png", classes=2, options=options)


def imagenet(place: Path) -> DatasetExample:
    """Validation images in folders by wnid."""
    wnids = list(class_numbers())
    labels = dict(zip(NUMBERS, (0, 999, 138, 1), strict=True))
    names = {
        number: f"{wnids[label]}/ILSVRC2012_val_{number:08d}.JPEG"
        for number, label in labels.items()
    }
    files = [_image(place / "root" / name, number) for number, name in names.items()]
    return _example(place, files[1], Path(names[293]).stem, classes=1000, options={})


def _image(path: Path, seed: int) -> Path:
    import numpy as np
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _example(
    place: Path, file: Path, name: str, *, classes: int, options: dict[str, str]
) -> DatasetExample:
    def damage() -> str:
        file.write_bytes(file.read_bytes()[:300])
        return name

    return DatasetExample(
        root=place / "root", options=options, classes=classes, size=(32, 32), damage=damage
    )


EXAMPLES: Examples = {
    "dataset:folder": folder,
    "dataset:imagenet": imagenet,
    "dataset:npz": stored_examples.npz,
    "dataset:torchvision": stored_examples.torchvision,
    "dataset:parquet": stored_examples.parquet,
    "dataset:hf-disk": stored_examples.hf_disk,
}
