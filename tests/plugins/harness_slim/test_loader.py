"""The loader on weight files of its own making, and what it says of others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.api import ModelError, ModelSpec, Preprocessing
from harness_slim.loader import SlimLoader
from harness_slim.networks import NETWORKS

HALF = (0.5, 0.5, 0.5)
# Table 1 of Su et al. 2018, in millions.
TABLE_1 = {
    "vgg16": 138, "vgg19": 144, "inception_v1": 6.7, "inception_v2": 11.3, "inception_v3": 23.9,
    "inception_v4": 42.9, "inception_resnet_v2": 56.1, "resnet_v2_50": 25.7,
    "resnet_v2_101": 44.8, "resnet_v2_152": 60.6, "mobilenet_v1_025": 0.5,
    "mobilenet_v1_050": 1.4, "mobilenet_v1_100": 4.3, "nasnet_large": 88.9,
}  # fmt: skip


def spec(
    weights: Path | None, architecture: str = "mobilenet_v1_025", classes: int = 1000
) -> ModelSpec:
    preprocessing = Preprocessing((64, 64), HALF, HALF, background=0)
    return ModelSpec("mine", architecture, weights, preprocessing, classes, {})


def saved(folder: Path, name: str = "mobilenet_v1_025", **changes: torch.Tensor) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        state = NETWORKS[name].build(1001).state_dict()
    counters = [key for key in state if key.endswith("num_batches_tracked")]
    state = {key: value for key, value in state.items() if key not in counters} | changes
    save_file(state, folder / f"{name}-slim.safetensors")
    return folder / f"{name}-slim.safetensors"


def test_the_weights_are_those_of_the_file(tmp_path: Path) -> None:
    loaded = SlimLoader().load(spec(saved(tmp_path)), "cpu").module
    other = SlimLoader().untrained(spec(None), "cpu").module
    again = SlimLoader().untrained(spec(None), "cpu").module
    image = torch.rand((1, 3, 64, 63))
    assert loaded(image).shape == (1, 1001)
    assert not torch.equal(loaded(image), other(image))
    assert torch.equal(again(image), other(image))


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_those_of_table_1(name: str) -> None:
    network = NETWORKS[name]
    with torch.device("meta"):
        module = network.build(network.outputs)
    count = sum(each.numel() for each in module.parameters()) / 1e6
    assert count == pytest.approx(TABLE_1[name], rel=0.06)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tensors do not fit mobilenet_v1_050: "):
        SlimLoader().load(spec(saved(tmp_path), "mobilenet_v1_050"), "cpu")
    path = saved(tmp_path, extra=torch.zeros(3))
    with pytest.raises(ModelError, match="1 tensors do not fit mobilenet_v1_025: extra"):
        SlimLoader().load(spec(path), "cpu")
    with pytest.raises(ModelError, match="needs a weight file"):
        SlimLoader().load(spec(None), "cpu")


def test_an_unknown_architecture_has_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r"'resnet_v2_51'; did you mean 'resnet_v2_50'"):
        SlimLoader().untrained(spec(None, "resnet_v2_51"), "cpu")
    assert SlimLoader().weights(spec(None)).path is None
    assert "harness models import" in SlimLoader().weights(spec(None)).how
