"""Write the package's files: the networks and the images of `harness.testing.truth`.

python -m harness_truth.make
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from harness.testing import truth
from harness_truth.loader import NETWORKS

IMAGES = Path(__file__).parent / "images.npz"


def write(networks: Path = NETWORKS, images: Path = IMAGES) -> None:
    """Write all files."""
    networks.mkdir(exist_ok=True)
    for name, network in truth.networks().items():
        truth.save(network, networks / f"{name}.safetensors")
    pixels, labels = truth.images()
    np.savez(images, images=np.round(255 * pixels).astype(np.uint8), labels=labels)


if __name__ == "__main__":
    write()
    for path in sorted(NETWORKS.glob("*.safetensors")):
        print(path.stem, hashlib.sha256(path.read_bytes()).hexdigest())
