"""An example for the conformance suite: the narrowest network with random weights."""

from __future__ import annotations

from pathlib import Path

from harness.api import Examples, ModelExample
from harness_models.examples import example, normalised, saved
from harness_models.network import seeded

_SIDE = 64


def slim(folder: Path) -> ModelExample:
    from harness_slim.networks import NETWORKS

    name = "mobilenet_v1_025"
    with seeded():
        network = normalised(NETWORKS[name].build(1001), _SIDE)
    file = saved(network, folder)
    return example(name, file, classes=1000, size=[_SIDE, _SIDE], background=0)


EXAMPLES: Examples = {"model_loader:slim": slim}
"""By component."""
