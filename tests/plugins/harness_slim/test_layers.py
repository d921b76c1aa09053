"""TensorFlow's SAME against plain loops: which pixels a window has, and what is beyond the edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.engine.folding import folded
from harness_slim.layers import Conv, ConvNorm, Separable, average_pool, max_pool, norm

SIDES = st.integers(1, 13)
STRIDES = st.integers(1, 3)


def windows(size: int, kernel: int, stride: int) -> list[list[int]]:
    """The pixels of each window along an axis, by TensorFlow's documented rule; None is outside."""
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    starts = [index * stride - before for index in range(outputs)]
    return [list(range(start, start + kernel)) for start in starts]


def patches(image: Tensor, kernel: tuple[int, int], stride: int):
    """Each output's place, and its window as (row of kernel, column of kernel, pixel values)."""
    height, width = image.shape[-2:]
    for y, rows in enumerate(windows(height, kernel[0], stride)):
        for x, columns in enumerate(windows(width, kernel[1], stride)):
            inside = [
                (i, j, image[..., row, column])
                for i, row in enumerate(rows)
                for j, column in enumerate(columns)
                if 0 <= row < height and 0 <= column < width
            ]
            yield y, x, inside


def images(height: int, width: int, channels: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.randn((1, channels, height, width), generator=generator) - 2


@given(height=SIDES, width=SIDES, kernel=st.integers(1, 4), stride=STRIDES)
@settings(deadline=None, max_examples=40)
def test_pools_see_their_own_pixels_only(height, width, kernel, stride):
    """All values may be below zero: padding with zeros would be the largest, and lower means."""
    given_ = images(height, width)
    largest, means = max_pool(given_, kernel, stride), average_pool(given_, kernel, stride)
    assert largest.shape == means.shape == (1, 2, -(-height // stride), -(-width // stride))
    for y, x, inside in patches(given_, (kernel, kernel), stride):
        values = torch.stack([value for _, _, value in inside])
        assert torch.equal(largest[..., y, x], values.amax(0))
        torch.testing.assert_close(means[..., y, x], values.mean(0))


@given(
    height=SIDES,
    width=SIDES,
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 7)),
    stride=STRIDES,
)
@settings(deadline=None, max_examples=40)
def test_a_convolution_pads_with_zeros_below_and_on_the_right_first(height, width, kernel, stride):
    layer = Conv(2, 3, kernel, stride=stride)
    given_ = images(height, width)
    found = layer(given_)
    assert found.shape == (1, 3, -(-height // stride), -(-width // stride))
    for y, x, inside in patches(given_, kernel, stride):
        total = sum((layer.conv.weight[:, :, i, j] @ value[0] for i, j, value in inside), start=0)
        torch.testing.assert_close(found[0, :, y, x], total + layer.conv.bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["VALID", 3])
def test_other_paddings_are_torchs(padding):
    layer = ConvNorm(2, 3, 7, stride=2, padding=padding, gamma=True, relu=False).eval()
    zeros = 0 if padding == "VALID" else padding
    given_ = images(12, 9)
    expected = layer.BatchNorm(
        torch.nn.functional.conv2d(given_, layer.conv.weight, stride=2, padding=zeros)
    )
    torch.testing.assert_close(layer(given_), expected)
    pooled = average_pool(given_, 3, 2, "VALID")
    torch.testing.assert_close(pooled, torch.nn.functional.avg_pool2d(given_, 3, 2))


def test_depthwise_kernels_of_a_channel_stay_together():
    """TensorFlow's output channel is input * multiplier + kernel."""
    layer = Separable(2, 3, 3, stride=2, multiplier=4)
    given_ = images(6, 7)
    between = torch.zeros(1, 8, 3, 4)
    for y, x, inside in patches(given_, (3, 3), 2):
        for channel in range(8):
            kernel = layer.depthwise.weight[channel, 0]
            between[0, channel, y, x] = sum(
                kernel[i, j] * value[0, channel // 4] for i, j, value in inside
            )
    torch.testing.assert_close(layer(given_), layer.pointwise(between), rtol=1e-4, atol=1e-5)


def test_a_norm_without_gamma_shifts_alone():
    layer = norm(3).eval()
    layer.running_mean.uniform_(-1, 1)
    layer.running_var.uniform_(0.5, 2)
    nn.init.normal_(layer.bias)
    given_ = images(4, 5, 3)
    column = (slice(None), None, None)
    scale = (layer.running_var + 1e-3).sqrt()[column]
    expected = (given_ - layer.running_mean[column]) / scale + layer.bias[column]
    torch.testing.assert_close(layer(given_), expected)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_norms_are_folded_into_convolutions():
    """Half the layers of an Inception are norms: a run folds them away where it can trace them."""
    network = nn.Sequential(
        ConvNorm(3, 8, 3, stride=2), ConvNorm(8, 4, (1, 7)), Separable(4, 5, 5, stride=2)
    ).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
    traced = folded(network, (3, 33, 31))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in traced.modules())
    given_ = images(33, 31, 3)
    torch.testing.assert_close(traced(given_), network(given_), rtol=1e-4, atol=1e-4)
    # Zeros that depend on the size are not frozen at the size of the trace.
    given_ = images(20, 22, 3)
    torch.testing.assert_close(traced(given_), network(given_), rtol=1e-4, atol=1e-4)
    assert np.prod(traced(given_).shape[2:]) == 5 * 6
