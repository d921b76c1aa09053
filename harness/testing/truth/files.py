"""Networks in files: safetensors, with what they are in its header."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from harness.api import ModelError
from harness.testing.truth.fold import Fold
from harness.testing.truth.masked import Masked
from harness.testing.truth.maxout import MaxOfAffine
from harness.testing.truth.network import Linear, Network
from harness.testing.truth.relu import ReLU

KINDS: dict[str, type[Linear | Fold | MaxOfAffine | ReLU]] = {
    each.kind: each for each in (Linear, Fold, MaxOfAffine, ReLU)
}


def save(network: Network, path: Path) -> None:
    """Write it, the same bytes every time."""
    from safetensors.numpy import save_file

    about = {"kind": network.kind, "mask": network.mask, "shape": list(network.shape)}
    arrays = {name: np.asarray(array, np.float32) for name, array in network.arrays.items()}
    save_file(arrays, path, {"network": json.dumps(about)})


def read(path: Path) -> Network:
    """The network that `save` wrote.

    Raises:
        ModelError: the file holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["network"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = KINDS[about["kind"]].of(arrays, tuple(about["shape"]))
        return Masked(network, about["mask"]) if about["mask"] else network
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"holds no network of known distances: {type(error).__name__}: {error}",
            where=str(path),
            hint="write it with harness.testing.truth.save",
        ) from error
