"""Model loaders: ONNX graphs."""

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
