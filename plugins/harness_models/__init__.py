"""Model loaders: the user's own files, ONNX graphs, timm, torchvision, the Hugging Face Hub."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_models.examples:EXAMPLES"


@hookimpl
def register_model_loaders(register: Register) -> None:
    register(
        "onnx",
        "harness_models.onnx:OnnxLoader",
        version="1",
        summary="ONNX files: forward through ONNX Runtime, gradients through onnx2torch",
    )
    register(
        "timm",
        "harness_models.timm:TimmLoader",
        version="1",
        summary="timm's models by architecture and tag, weights from the Hugging Face Hub",
    )
    register(
        "hf-hub",
        "harness_models.timm:HubLoader",
        version="1",
        summary="timm's models in any repository of the Hugging Face Hub, by OWNER/NAME",
    )
    register(
        "torchvision",
        "harness_models.torchvision:TorchvisionLoader",
        version="1",
        summary="torchvision's classifiers with its published weights",
    )
    register(
        "mobilenet_v1",
        "harness_models.mobilenet_v1_loader:MobileNetV1Loader",
        version="1",
        summary="slim's MobileNet v1 of four widths, weights from the Hugging Face Hub",
    )
    register(
        "python",
        "harness_models.python:PythonLoader",
        version="1",
        summary="A network of the user's own: a function in a file, and its weights",
    )
    register(
        "torchscript",
        "harness_models.python:TorchScriptLoader",
        version="1",
        summary="Programs of torch.jit.save, with their weights",
    )
