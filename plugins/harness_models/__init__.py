"""Model loaders: ONNX graphs, timm, torchvision, the Hugging Face Hub, slim's MobileNets."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 0


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
