"""Examples for the conformance suite: random weights, noise for photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.api import DatasetExample, Examples, ModelExample
from harness_models.examples import normalised

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64
LABELS = (243, 559, 7)


def efficientnet_lite(folder: Path) -> ModelExample:
    """The smallest one, at a quarter of its side."""
    import timm
    from safetensors.torch import save_file

    from harness_models.network import seeded

    with seeded():
        network = normalised(timm.create_model("tf_efficientnet_lite0", pretrained=False), SIDE)
    save_file(network.state_dict(), folder / "example.safetensors")
    return ModelExample(
        entry={
            "architecture": "efficientnet_lite0",
            "classes": 1000,
            "preprocessing": {"size": [SIDE, SIDE], "mean": 0.5, "std": 0.5},
            "weights": {"file": str(folder / "example.safetensors")},
        }
    )


def numbered_photos(folder: Path) -> DatasetExample:
    """Three of them; the second one is cut off by damage."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0)
    files = [folder / f"imagenet_{row:02}_{label}.jpg" for row, label in enumerate(LABELS)]
    for file in files:
        Image.fromarray(noise.integers(0, 256, (40, 50, 3), np.uint8)).save(file)

    def damage() -> str:
        files[1].write_bytes(files[1].read_bytes()[:300])
        return "imagenet_01"

    return DatasetExample(root=folder, classes=1000, size=(SIDE, SIDE), damage=damage)


EXAMPLES: Examples = {
    "model_loader:efficientnet-lite": efficientnet_lite,
    "dataset:numbered-photos": numbered_photos,
}
