"""Examples for the conformance suite: small networks with random weights.

The loader ``hf-hub`` has none: its weights are in the Hub's cache, in which no example may write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import Examples, ModelExample

if TYPE_CHECKING:
    from torch import nn

SIDE = 32
HALF = {"size": [SIDE, SIDE], "mean": [0.5], "std": [0.5]}


def onnx(folder: Path) -> ModelExample:
    """A convolution, and a layer on what is left of it."""
    import torch
    from onnx import TensorProto, helper, save

    from harness_models.network import seeded

    with seeded():
        convolution, linear = torch.randn(4, 3, 3, 3) / 5, torch.randn(5, 4) / 2
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, values.shape, values.flatten().tolist())
        for name, values in (("convolution", convolution), ("linear", linear))
    ]
    nodes = [
        helper.make_node("Conv", ["image", "convolution"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "linear"], ["logits"], transB=1),
    ]
    floats = TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", floats, ["n", 3, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", floats, ["n", 5])
    graph = helper.make_graph(nodes, "example", [image], [logits], weights)
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "example.onnx")
    return example("example", folder / "example.onnx", classes=5)


def timm(folder: Path) -> ModelExample:
    """The smallest of the networks that timm tests itself with."""
    import timm

    from harness_models.network import seeded

    with seeded():
        network = timm.create_model("test_resnet", pretrained=False)
        network = normalised(network, SIDE)
    return example("test_resnet", saved(network, folder), classes=1000)


def torchvision(folder: Path) -> ModelExample:
    """The smallest of torchvision's networks."""
    from torchvision import models

    from harness_models.network import seeded

    with seeded():
        network = models.squeezenet1_1()
    return example("squeezenet1_1", saved(network, folder), classes=1000)


def mobilenet_v1(folder: Path) -> ModelExample:
    """The narrowest one."""
    from harness_models.mobilenet_v1 import MobileNetV1
    from harness_models.network import seeded

    with seeded():
        network = normalised(MobileNetV1(0.25, 1000), 128)
    file = saved(network, folder)
    return example("mobilenet_v1_0.25_128", file, classes=1000, size=[128, 128])


def python(folder: Path) -> ModelExample:
    """A function of a file, with the weights of another network of its kind."""
    from harness_models.network import seeded

    text = (
        "from torch import nn\n\n\ndef make(width=4):\n    return nn.Sequential(\n"
        "        nn.Conv2d(3, width, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(width * 225, 5)\n"
        "    )\n"
    )
    (folder / "net.py").write_text(text)
    with seeded():
        file = saved(_small(6), folder)
    found = example("make", file, classes=5).entry
    return ModelExample(entry={**found, "code": str(folder / "net.py"), "options": {"width": 6}})


def torchscript(folder: Path) -> ModelExample:
    """A traced network."""
    import torch

    from harness_models.network import seeded

    with seeded():
        network = _small(4).eval()
    torch.jit.trace(network, torch.zeros(2, 3, SIDE, SIDE)).save(str(folder / "net.pt"))
    found = dict(example("net", folder / "net.pt", classes=5).entry)
    del found["weights"]
    return ModelExample(entry={**found, "code": str(folder / "net.pt")})


def _small(width: int) -> nn.Module:
    from torch import nn

    last = nn.Linear(width * 225, 5)
    return nn.Sequential(nn.Conv2d(3, width, 3, 2), nn.ReLU(), nn.Flatten(), last)


def normalised(network: nn.Module, side: int) -> nn.Module:
    """With batch norms that fit random weights, so that images make a difference."""
    import torch
    from torch import nn

    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            part.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.rand(8, 3, side, side))
    return network.eval()


def saved(network: nn.Module, folder: Path) -> Path:
    from safetensors.torch import save_file

    path = folder / "example.safetensors"
    save_file(network.state_dict(), path)
    return path


def example(
    architecture: str, file: Path, *, classes: int, **preprocessing: object
) -> ModelExample:
    return ModelExample(
        entry={
            "architecture": architecture,
            "classes": classes,
            "preprocessing": HALF | preprocessing,
            "weights": {"file": str(file)},
        }
    )


EXAMPLES: Examples = {
    "model_loader:onnx": onnx,
    "model_loader:timm": timm,
    "model_loader:torchvision": torchvision,
    "model_loader:mobilenet_v1": mobilenet_v1,
    "model_loader:python": python,
    "model_loader:torchscript": torchscript,
}
