"""MobileNet v1: TensorFlow's padding by brute force, Google's own weights, the Hub's names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from safetensors.torch import save_file

from harness.api import ConfigError, MissingError, ModelError, ModelSpec, Preprocessing
from harness_models.mobilenet_v1 import EPSILON, ConvLayer, MobileNetV1, same_padding
from harness_models.mobilenet_v1_loader import MobileNetV1Loader

ROOT = Path(__file__).parents[3]
MINI = Path(os.environ.get("HARNESS_IMAGENET_MINI", ROOT.parent / "shared" / "imagenet-mini"))
HALF = (0.5, 0.5, 0.5)


def spec(
    weights: Path | None,
    architecture: str = "mobilenet_v1_0.25_128",
    *,
    background: int | None = 0,
    **options: object,
) -> ModelSpec:
    preprocessing = Preprocessing((128, 128), HALF, HALF, background=background)
    return ModelSpec("mine", architecture, weights, preprocessing, 1000, options)


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4))
def test_same_padding_gives_every_stride_a_window(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    outputs = (size + before + after - kernel) // stride + 1
    assert outputs == -(-size // stride)
    assert 0 <= after - before <= 1
    # Not one zero more than the last window needs.
    assert before + after == 0 or (outputs - 1) * stride + kernel == size + before + after


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (5, 4)])
def test_a_layer_computes_what_its_definition_says(height: int, width: int) -> None:
    """Against plain loops: the window of output i begins at i * stride - zeros before."""
    torch.manual_seed(0)
    layer = ConvLayer(2, 3, kernel=3, stride=2).eval()
    layer.normalization.running_mean.uniform_(-1, 1)
    layer.normalization.running_var.uniform_(0.5, 2)
    image = torch.randn(2, height, width)
    (top, _), (left, _) = same_padding(height, 3, 2), same_padding(width, 3, 2)
    norm, kernel = layer.normalization, layer.convolution.weight
    for channel in range(3):
        scale = norm.weight[channel] / (norm.running_var[channel] + 1e-3).sqrt()
        for row in range(-(-height // 2)):
            for column in range(-(-width // 2)):
                total = torch.zeros(())
                for i in range(3):
                    for j in range(3):
                        y, x = row * 2 - top + i, column * 2 - left + j
                        if 0 <= y < height and 0 <= x < width:
                            total = total + (kernel[channel, :, i, j] * image[:, y, x]).sum()
                value = (total - norm.running_mean[channel]) * scale + norm.bias[channel]
                expected = value.clamp(0, 6)
                found = layer(image[None])[0, channel, row, column]
                torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not MINI.is_dir(), reason=f"no imagenet-mini at {MINI}")
@pytest.mark.parametrize(("multiplier", "size"), [(0.25, 128), (0.5, 160), (0.75, 192)])
def test_googles_own_weights_give_the_logits_of_onnx_runtime(multiplier: float, size: int) -> None:
    """The graphs have batch norm folded into the convolutions: here it becomes an identity."""
    path = MINI / "models" / f"mobilenet_v1_0{round(multiplier * 100):02d}_{size}.onnx"
    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    network = MobileNetV1(multiplier, 1001).eval()
    layers = [network.mobilenet_v1.conv_stem, *network.mobilenet_v1.layer]
    *body, last = convolutions
    for layer, node in zip(layers, body, strict=True):
        layer.convolution.weight.data = torch.tensor(values[node.input[1]])
        layer.normalization.running_var.fill_(1 - EPSILON)
        layer.normalization.bias.data = torch.tensor(values[node.input[2]])
    network.classifier.weight.data = torch.tensor(values[last.input[1]])[:, :, 0, 0]
    network.classifier.bias.data = torch.tensor(values[last.input[2]])

    import onnxruntime

    image = torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(0)) * 2 - 1
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run(["logits"], {"input": image.numpy()})
    with torch.no_grad():
        found = network(image)[:, 1:].numpy()  # the graph drops the background
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_tensors_are_called_as_on_the_hub() -> None:
    names = set(MobileNetV1(1.0, 1001).state_dict())
    layers = ["conv_stem", *(f"layer.{index}" for index in range(26))]
    parts = ["convolution.weight"]
    parts += [
        f"normalization.{part}"
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]
    expected = {f"mobilenet_v1.{layer}.{part}" for layer in layers for part in parts}
    assert names == expected | {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_a_files_weights_are_loaded(tmp_path: Path, form: str) -> None:
    torch.manual_seed(1)
    network = MobileNetV1(0.25, 1001).eval()
    path = tmp_path / "weights"
    if form == "safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    classifier = MobileNetV1Loader().load(spec(path), "cpu")
    image = torch.rand(2, 3, 128, 128)
    assert classifier.module is not None
    assert torch.equal(classifier.module(image), network(image))
    with pytest.raises(ModelError, match=r"tensors do not fit mobilenet_v1_0\.5_128"):
        MobileNetV1Loader().load(spec(path, "mobilenet_v1_0.5_128"), "cpu")
    with pytest.raises(ModelError, match="2 tensors do not fit"):
        MobileNetV1Loader().load(spec(path, background=None), "cpu")


def test_only_two_are_on_the_hub() -> None:
    loader = MobileNetV1Loader()
    small = loader.weights(spec(None))
    assert (small.path, small.url) == (None, None)
    assert "no hub" in small.how
    with pytest.raises(MissingError):
        loader.fetch(spec(None), lambda done, total: None)
    described = loader.describe("mobilenet_v1_1.0_224")
    assert described.preprocessing.size == (224, 224)
    assert described.preprocessing.background == 0
    with pytest.raises(ConfigError, match=r"choose from mobilenet_v1_1\.0_224"):
        loader.describe("mobilenet_v1_0.25_128")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (spec(None, "mobilenet_v2_1.0_224"), "unknown architecture"),
        (spec(None, size=3), "unknown option 'size'"),
    ],
)
def test_what_it_cannot_build_is_one_line(wrong: ModelSpec, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        MobileNetV1Loader().untrained(wrong, "cpu")
    with pytest.raises(ModelError, match="needs a weight file"):
        MobileNetV1Loader().load(spec(None), "cpu")
