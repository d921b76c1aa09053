"""Variables to tensors and back, layouts, and what is said of a checkpoint that does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.api import ModelError
from harness_slim import names
from harness_slim.layers import Dense, Separable
from harness_slim.names import Place, check, converted, is_of_training, variable_of
from harness_slim.networks import NETWORKS, called_so


@pytest.mark.parametrize(
    ("tensor", "scope", "variable"),
    [
        ("Conv2d_1a_7x7.depthwise.weight", "InceptionV2", "Conv2d_1a_7x7/depthwise_weights"),
        ("Conv2d_1a_7x7.pointwise.weight", "InceptionV2", "Conv2d_1a_7x7/pointwise_weights"),
        ("Conv2d_1a_7x7.pointwise.bias", "InceptionV2", "Conv2d_1a_7x7/biases"),
        ("Mixed_3b.Branch_0.Conv2d_0a_1x1.BatchNorm.bias", "InceptionV3",
         "Mixed_3b/Branch_0/Conv2d_0a_1x1/BatchNorm/beta"),
        ("block1.unit_1.bottleneck_v2.preact.weight", "resnet_v2_50",
         "block1/unit_1/bottleneck_v2/preact/gamma"),
        ("block1.unit_1.bottleneck_v2.preact.running_var", "resnet_v2_50",
         "block1/unit_1/bottleneck_v2/preact/moving_variance"),
        ("Logits.Logits.linear.bias", "InceptionV4", "Logits/Logits/biases"),
        ("cell_0.1x1.conv.weight", "", "cell_0/1x1/weights"),
    ],
)  # fmt: skip
def test_the_rule(tensor: str, scope: str, variable: str) -> None:
    assert variable_of(tensor, scope) == (f"{scope}/{variable}" if scope else variable)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_of_a_network_has_a_variable_of_its_own(name: str) -> None:
    network = NETWORKS[name]
    with torch.device("meta"):
        module = network.build(network.outputs)
    found = network.places(module)
    state = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    assert found.keys() == state
    variables = [place.variable for place in found.values()]
    assert len(set(variables)) == len(variables)
    assert all(each.startswith(f"{network.scope}/" if network.scope else "") for each in variables)
    assert not any(is_of_training(each) for each in variables)


def test_layouts_are_turned() -> None:
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    found = converted(Place("v", (5, 4, 2, 3)), kernel)
    assert found[4, 2, 1, 0] == kernel[1, 0, 2, 4]
    assert found.flags.c_contiguous
    found = converted(Place("v", (20, 1, 2, 3), depthwise=True), kernel)
    assert found[2 * 5 + 4, 0, 1, 0] == kernel[1, 0, 2, 4]
    found = converted(Place("v", (4, 6)), kernel.reshape(1, 1, 30, 4)[:, :, :6])
    assert found[3, 2] == kernel.reshape(30, 4)[2, 3]
    found = converted(Place("v", (4, 6, 1, 1)), kernel.reshape(30, 4)[:6])
    assert found[3, 2, 0, 0] == kernel.reshape(30, 4)[2, 3]
    assert converted(Place("v", (7,)), np.ones(7)).dtype == np.float32


@pytest.mark.parametrize(
    "variable",
    [
        "global_step",
        "InceptionV3/Conv2d_1a_3x3/weights/RMSProp_1",
        "InceptionV3/Conv2d_1a_3x3/BatchNorm/moving_mean/ExponentialMovingAverage",
        "InceptionV3/AuxLogits/Conv2d_1b_1x1/weights",
        "aux_11/aux_logits/proj/weights",
    ],
)
def test_what_training_left(variable: str) -> None:
    assert is_of_training(variable)


def parts() -> dict[str, Place]:
    module = torch.nn.ModuleDict({"a": Separable(2, 3, 3, multiplier=4), "b": Dense(3, 5)})
    return names.places(module, "Net")


SHAPES = {
    "Net/a/depthwise_weights": (3, 3, 2, 4),
    "Net/a/pointwise_weights": (1, 1, 8, 3),
    "Net/a/biases": (3,),
    "Net/b/weights": (3, 5),
    "Net/b/biases": (5,),
}


def test_what_fits_is_taken_and_the_rest_of_training_is_named() -> None:
    slot = {"Net/b/weights/Momentum": (3, 5)}
    assert check(parts(), SHAPES | slot, "net") == ["Net/b/weights/Momentum"]
    # A dense layer may be a convolution of 1 x 1.
    assert check(parts(), SHAPES | {"Net/b/weights": (1, 1, 3, 5)}, "net") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Net/b/biases": None}, "variables missing: Net/b/biases"),
        ({"Net/c/weights": (1,)}, "variables unknown: Net/c/weights"),
        ({"Net/a/weights": (1,)}, "variables unknown: Net/a/weights"),
        ({"Net/b/weights": (5, 3)}, r"variables of another shape: Net/b/weights is \(5, 3\)"),
        ({"Net/a/depthwise_weights": (3, 3, 4, 1)}, "of another shape: Net/a/depthwise_weights"),
        ({"Net/a/depthwise_weights": (9, 8)}, "of another shape"),
        ({"Net/b/weights": (3, 3, 3, 5)}, "of another shape"),
    ],
)
def test_what_does_not_fit_is_said_by_name(change: dict, message: str) -> None:
    shapes = {name: shape for name, shape in (SHAPES | change).items() if shape is not None}
    with pytest.raises(ModelError, match=f"does not hold net: .*{message}"):
        check(parts(), shapes, "net")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("vgg_16_2016_08_28.tar.gz", "vgg16"),
        ("vgg_19.ckpt", "vgg19"),
        ("resnet_v2_152_2017_04_14.tar.gz", "resnet_v2_152"),
        ("mobilenet_v1_0.25_128.tgz", "mobilenet_v1_025"),
        ("mobilenet_v1_0.50_160_2017_06_14.tar.gz", "mobilenet_v1_050"),
        ("mobilenet_v1_1.0_224.ckpt.index", "mobilenet_v1_100"),
        ("mobilenet_2_5_128_tf.h5", "mobilenet_v1_025"),
        ("mobilenet_5_0_160_tf.h5", "mobilenet_v1_050"),
        ("mobilenet_v1_025-slim.ckpt", "mobilenet_v1_025"),
        ("mobilenet_v1_0.25_128_quant.tgz", "mobilenet_v1_025"),
        ("resnet_v2_1.ckpt", None),
        ("resnet_v1_50_2016_08_28.tar.gz", None),
        ("frozen_imagenet_models_v1.1.tar.gz", None),
        ("model.ckpt.index", None),
    ],
)
def test_a_files_name_says_which_network_it_is(file: str, name: str | None) -> None:
    assert called_so(file) == name
