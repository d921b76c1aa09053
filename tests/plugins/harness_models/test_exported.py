"""Networks as torch's exporters write them at their defaults: loaded, with gradients."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx2torch import convert
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import ModelSpec, Preprocessing
from harness_models.onnx import OnnxLoader
from harness_models.opsets import KNOWN, lowered

SIDE, CLASSES = 16, 5


class Plain(nn.Module):
    """Equal batch norms, which the exporter stores once and copies with Identity; a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 1), nn.ReLU(), nn.BatchNorm2d(8),
        )  # fmt: skip
        self.head = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)))


class Reducing(nn.Module):
    """Everything that torch reduces images with."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        found, both = self.stem(images), (2, 3)
        norms = torch.linalg.norm(found, dim=both) + torch.logsumexp(found, both)
        return self.head(found.amax(both) + found.amin(both) + found.sum(both) / 99 + norms)


class Attending(nn.Module):
    """A vision transformer in small."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.token = nn.Parameter(torch.rand(1, 1, 8))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        found = self.stem(images).flatten(2).transpose(1, 2)
        found = self.norm(torch.cat([self.token.expand(len(found), -1, -1), found], 1))
        found = found + self.attention(found, found, found, need_weights=False)[0]
        return self.head(F.gelu(found[:, 0]) + F.gelu(found[:, 1], approximate="tanh"))


class Shuffling(nn.Module):
    """Channels in another order, halves, pads, another size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        found = self.stem(images)
        count, _, height, width = found.shape
        found = found.view(count, 2, 4, height, width).transpose(1, 2).reshape(found.shape)
        left, right = found.chunk(2, 1)
        found = F.interpolate(torch.cat([left, right.sigmoid()], 1), scale_factor=2.0)
        pooled = F.avg_pool2d(F.hardswish(F.pad(found, (1, 1, 1, 1)).clamp(0, 6)), 4)
        return self.head(pooled.mean((2, 3)))


@pytest.mark.parametrize("dynamo", [False, True], ids=["TorchScript", "dynamo"])
@pytest.mark.parametrize("network", [Plain, Reducing, Attending, Shuffling])
def test_what_torch_exports_is_loaded_with_its_gradients(
    tmp_path: Path, network: type[nn.Module], dynamo: bool
) -> None:
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's dynamo exporter needs onnxscript")
    torch.manual_seed(0)
    own = network().eval()
    example = (torch.rand(1, 3, SIDE, SIDE),)
    logging.disable()
    try:
        torch.onnx.export(own, example, tmp_path / "n.onnx", dynamo=dynamo, verbose=False)
    finally:
        logging.disable(logging.NOTSET)
    assert onnx.load(tmp_path / "n.onnx").opset_import[0].version > KNOWN
    check(tmp_path / "n.onnx", own)
    assert bool(OnnxLoader().files(spec(tmp_path / "n.onnx"))) is dynamo


def test_external_data_as_the_dynamo_exporter_writes_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = Plain().eval()
    torch.onnx.export(own, (torch.rand(1, 3, SIDE, SIDE),), tmp_path / "one", dynamo=False)
    model = onnx.load(tmp_path / "one")
    onnx.save_model(
        model,
        tmp_path / "n.onnx",
        save_as_external_data=True,
        location="n.onnx.data",
        size_threshold=0,
    )
    check(tmp_path / "n.onnx", own)
    assert OnnxLoader().files(spec(tmp_path / "n.onnx")) == (tmp_path / "n.onnx.data",)
    assert OnnxLoader().files(spec(tmp_path / "one")) == ()


def check(path: Path, own: nn.Module) -> None:
    """The loaded graph's logits and gradients are the network's, for any number of images."""
    found = OnnxLoader().load(spec(path), "cpu")
    images = torch.rand(3, 3, SIDE, SIDE)
    assert found.module is not None
    assert found.forward is not None
    pixels, others = images.clone().requires_grad_(), images.clone().requires_grad_()
    logits, expected = found.module(pixels), own(others)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.forward(images), expected.detach(), rtol=1e-4, atol=1e-5)
    logits[:, 1].sum().backward()
    expected[:, 1].sum().backward()
    assert pixels.grad is not None
    assert others.grad is not None
    torch.testing.assert_close(pixels.grad, others.grad, rtol=1e-3, atol=1e-5)


def spec(path: Path) -> ModelSpec:
    return ModelSpec("n", "n", path, Preprocessing((SIDE, SIDE)), CLASSES, {})


REDUCTIONS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare", "Sum"]


@pytest.mark.parametrize("axes", [[1], [0, 2], [-1], None], ids=str)
@pytest.mark.parametrize("kind", REDUCTIONS)
def test_every_reduction_means_the_same_in_old_words(kind: str, axes: list[int] | None) -> None:
    inputs, tensors = ["x"], []
    if axes is not None:
        inputs.append("axes")
        tensors = [numpy_helper.from_array(np.array(axes), "axes")]
    same(helper.make_node(f"Reduce{kind}", inputs, ["y"], keepdims=1), *tensors)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_means_the_same_in_old_words(approximate: str) -> None:
    same(helper.make_node("Gelu", ["x"], ["y"], approximate=approximate))


def test_a_reshape_that_could_have_zeros_but_has_none() -> None:
    shape = numpy_helper.from_array(np.array([2, -1]), "shape")
    same(helper.make_node("Reshape", ["x", "shape"], ["y"], allowzero=1), shape)


def same(node: onnx.NodeProto, *tensors: TensorProto) -> None:
    """ONNX Runtime on the node as it is, and torch on it in old words."""
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(tensors),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    before = model.SerializeToString()
    old = lowered(model)
    assert old.opset_import[0].version == KNOWN
    assert model.SerializeToString() == before
    values = np.random.default_rng(0).uniform(0.1, 2, (2, 3, 4)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(before).run(None, {"x": values})
    found = convert(old)(torch.tensor(values)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_older_graph_keeps_its_words() -> None:
    squeeze = helper.make_node("Squeeze", ["x"], ["y"], axes=[1])  # an input since set 13
    graph = helper.make_graph([squeeze], "one", [], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    assert lowered(model) == model
