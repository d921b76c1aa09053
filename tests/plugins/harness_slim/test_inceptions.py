"""TF-Slim's Inceptions and NASNet: counts and names that others published, shapes, and logits of
other implementations."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from harness_slim.names import Place
from harness_slim.nasnet_large import NASNet
from harness_slim.networks import NETWORKS

# Parameters with 1,001 outputs, without the Aux heads, and variables: two or three of a norm beside
# each convolution's, the moving statistics among them.
COUNTS = {
    "inception_v1": (6_618_649, 230),
    "inception_v2": (11_179_361, 277),
    "inception_v3": (23_819_401, 378),
    "inception_v4": (42_649_769, 598),
    "inception_resnet_v2": (55_814_729, 898),
    "nasnet_large": (88_757_183, 1546),
}
PEERS = {
    "inception_v1": lambda: torchvision.models.googlenet(
        weights=None, num_classes=1001, aux_logits=False, init_weights=False
    ),
    "inception_v3": lambda: timm.create_model("inception_v3", num_classes=1001),
    "inception_v4": lambda: timm.create_model("inception_v4", num_classes=1001),
    "inception_resnet_v2": lambda: timm.create_model("inception_resnet_v2", num_classes=1001),
    "nasnet_large": lambda: timm.create_model("nasnetalarge", num_classes=1001),
}
# (variables, as the public converters and definitions name them; their shapes)
KNOWN: dict[str, dict[str, tuple[int, ...]]] = {
    "inception_v1": {
        "InceptionV1/Conv2d_1a_7x7/weights": (7, 7, 3, 64),
        "InceptionV1/Conv2d_1a_7x7/BatchNorm/beta": (64,),
        "InceptionV1/Mixed_4d/Branch_2/Conv2d_0b_3x3/weights": (3, 3, 24, 64),
        "InceptionV1/Mixed_5b/Branch_2/Conv2d_0a_3x3/BatchNorm/moving_mean": (128,),
        "InceptionV1/Mixed_5c/Branch_3/Conv2d_0b_1x1/BatchNorm/moving_variance": (128,),
        "InceptionV1/Logits/Conv2d_0c_1x1/weights": (1, 1, 1024, 1001),
        "InceptionV1/Logits/Conv2d_0c_1x1/biases": (1001,),
    },
    "inception_v2": {
        "InceptionV2/Conv2d_1a_7x7/depthwise_weights": (7, 7, 3, 8),
        "InceptionV2/Conv2d_1a_7x7/pointwise_weights": (1, 1, 24, 64),
        "InceptionV2/Conv2d_1a_7x7/biases": (64,),
        "InceptionV2/Mixed_4a/Branch_1/Conv2d_1a_3x3/weights": (3, 3, 96, 96),
        "InceptionV2/Mixed_5c/Branch_2/Conv2d_0c_3x3/BatchNorm/beta": (224,),
        "InceptionV2/Logits/Conv2d_1c_1x1/weights": (1, 1, 1024, 1001),
    },
    "inception_v3": {
        "InceptionV3/Conv2d_4a_3x3/weights": (3, 3, 80, 192),
        "InceptionV3/Mixed_5c/Branch_1/Conv2d_0b_1x1/weights": (1, 1, 256, 48),
        "InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5/weights": (5, 5, 48, 64),
        "InceptionV3/Mixed_6a/Branch_0/Conv2d_1a_1x1/weights": (3, 3, 288, 384),
        "InceptionV3/Mixed_6c/Branch_2/Conv2d_0e_1x7/weights": (1, 7, 160, 192),
        "InceptionV3/Mixed_7b/Branch_1/Conv2d_0b_3x1/weights": (3, 1, 384, 384),
        "InceptionV3/Mixed_7c/Branch_1/Conv2d_0c_3x1/weights": (3, 1, 384, 384),
        "InceptionV3/Logits/Conv2d_1c_1x1/biases": (1001,),
    },
    "inception_v4": {
        "InceptionV4/Mixed_3a/Branch_1/Conv2d_0a_3x3/weights": (3, 3, 64, 96),
        "InceptionV4/Mixed_5e/Branch_3/Conv2d_0b_1x1/BatchNorm/moving_mean": (96,),
        "InceptionV4/Mixed_6h/Branch_2/Conv2d_0d_7x1/weights": (7, 1, 224, 224),
        "InceptionV4/Mixed_7d/Branch_2/Conv2d_0e_3x1/weights": (3, 1, 512, 256),
        "InceptionV4/Logits/Logits/weights": (1536, 1001),
    },
    "inception_resnet_v2": {
        "InceptionResnetV2/Mixed_5b/Branch_0/Conv2d_1x1/weights": (1, 1, 192, 96),
        "InceptionResnetV2/Repeat/block35_10/Conv2d_1x1/biases": (320,),
        "InceptionResnetV2/Repeat_1/block17_20/Branch_1/Conv2d_0c_7x1/weights": (7, 1, 160, 192),
        "InceptionResnetV2/Repeat_2/block8_9/Conv2d_1x1/weights": (1, 1, 448, 2080),
        "InceptionResnetV2/Block8/Branch_0/Conv2d_1x1/BatchNorm/beta": (192,),
        "InceptionResnetV2/Conv2d_7b_1x1/weights": (1, 1, 2080, 1536),
        "InceptionResnetV2/Logits/Logits/biases": (1001,),
    },
    "nasnet_large": {
        "conv0/weights": (3, 3, 3, 96),
        "conv0_bn/gamma": (96,),
        "cell_stem_0/1x1/weights": (1, 1, 96, 42),
        "cell_stem_0/comb_iter_0/right/separable_7x7_1/depthwise_weights": (7, 7, 96, 1),
        "cell_stem_1/path2_conv/weights": (1, 1, 96, 42),
        "cell_stem_1/final_path_bn/moving_variance": (84,),
        "cell_0/path1_conv/weights": (1, 1, 168, 84),
        "cell_1/prev_1x1/weights": (1, 1, 336, 168),
        "cell_5/comb_iter_1/left/separable_5x5_2/pointwise_weights": (1, 1, 168, 168),
        "reduction_cell_0/comb_iter_4/left/bn_sep_3x3_2/beta": (336,),
        "cell_6/path1_conv/weights": (1, 1, 1008, 168),
        "cell_7/prev_bn/gamma": (336,),
        "reduction_cell_1/prev_1x1/weights": (1, 1, 2016, 672),
        "cell_12/final_path_bn/beta": (672,),
        "cell_17/beginning_bn/moving_mean": (672,),
        "final_layer/FC/weights": (4032, 1001),
    },
}


def empty(name: str) -> nn.Module:
    """The network on no device, where images cost nothing."""
    with torch.device("meta"):
        return NETWORKS[name].build(1001).eval()


@pytest.mark.parametrize("name", PEERS)
def test_others_have_as_many_parameters(name: str) -> None:
    """But for factors of batch norms, which only NASNet has in TF-Slim."""
    with torch.device("meta"):
        peer = PEERS[name]()
    factors = 0
    if name != "nasnet_large":
        factors = sum(m.weight.numel() for m in peer.modules() if isinstance(m, nn.BatchNorm2d))
    assert sum(p.numel() for p in peer.parameters()) - factors == COUNTS[name][0]


@pytest.mark.parametrize("name", COUNTS)
def test_variables_are_called_as_in_published_checkpoints(name: str) -> None:
    network = empty(name)
    wanted = NETWORKS[name].places(network)
    by_variable = {place.variable: place for place in wanted.values()}
    parameters = sum(p.numel() for p in network.parameters())
    assert (parameters, len(by_variable), len(wanted)) == (*COUNTS[name], COUNTS[name][1])
    for variable, shape in KNOWN[name].items():
        assert on_tensorflow(by_variable[variable]) in (shape, (1, 1, *shape))


def on_tensorflow(place: Place) -> tuple[int, ...]:
    """The shape of a place's variable; of a dense layer's, of a convolution of 1 x 1."""
    if len(place.shape) == 1:
        return place.shape
    outputs, inputs, *kernel = place.shape
    if not place.depthwise:
        return (*(kernel or (1, 1)), inputs, outputs)
    channels = 3 if outputs == 24 else outputs
    return (*kernel, channels, outputs // channels)


@pytest.mark.parametrize("name", COUNTS)
def test_any_size_gives_logits(name: str) -> None:
    size = NETWORKS[name].size
    images = torch.empty(2, 3, size + 14, size - 33, device="meta")
    assert empty(name)(images).shape == (2, 1001)


def test_half_of_a_cells_channels_are_a_pixel_on() -> None:
    """The first cells shrink p by two grids of pixels; beyond the edge there are zeros."""
    network = NASNet(10, width=24, repeats=1)
    cell = network.get_submodule("cell_stem_1")
    for path in (cell.path1_conv, cell.path2_conv):
        nn.init.zeros_(path.conv.weight)
        path.conv.weight.data[0, 0] = 1
    cell.eval().final_path_bn.eps = 0.0
    image = torch.arange(25.0).reshape(1, 1, 5, 5)
    with torch.no_grad():
        shrunk = cell._fitted(image.expand(1, 96, 5, 5))
    assert torch.equal(shrunk[0, 0], image[0, 0, ::2, ::2])
    beside = torch.tensor([[6.0, 8, 0], [16, 18, 0], [0, 0, 0]])
    assert torch.equal(shrunk[0, 6], beside)


def test_timms_inception_resnet_v2_gives_the_same_logits() -> None:
    """Its layers stand in the same order, and its pools do not count padding either."""
    torch.manual_seed(0)
    with torch.device("meta"):
        peer = timm.create_model("inception_resnet_v2", num_classes=1001)
    ours = empty("inception_resnet_v2")
    for network in (peer, ours):
        network.to_empty(device="cpu").eval()
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    pairs = zip(
        (m for m in ours.modules() if isinstance(m, kinds)),
        (m for m in peer.modules() if isinstance(m, kinds)),
        strict=True,
    )
    for own, its in pairs:
        if isinstance(own, nn.BatchNorm2d):
            own.running_mean.normal_(0, 0.1)
            own.running_var.uniform_(0.5, 1.5)
            nn.init.ones_(its.weight)
            nn.init.normal_(own.bias, 0, 0.3)
        else:
            nn.init.normal_(own.weight, 0, (2 / own.weight[0].numel()) ** 0.5)
            if own.bias is not None:
                nn.init.normal_(own.bias)
        its.load_state_dict(own.state_dict(), strict=False)
    images = torch.rand(1, 3, 91, 83) * 2 - 1
    with torch.no_grad():
        found, expected = ours(images), peer(images)
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert expected.std() > 1
