"""Ways to a model's logits without gradients: its own prediction, its module, an exported graph."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from harness.api import ModelError
from harness.engine.classifier import PixelClassifier
from harness.engine.device import runtime_providers, synchronise_stream
from harness.engine.timing import images_a_second, random_images

Way = Literal["predict", "module", "exported"]

TOLERANCE = 1e-4
"""Largest difference of logits from the prediction's, relative to the largest logit."""

SECONDS = 0.05
"""How long a way is timed, about; five batches at least."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Pixel-space images (n, 3, height, width) on the device in, logits float32 (n, classes) out.

    Attributes:
        size: (height, width) of the images.
        memory_format: their layout.
    """

    run: Callable[[Tensor], Tensor]
    device: torch.device
    size: tuple[int, int]
    memory_format: torch.memory_format


def predicting(model: PixelClassifier) -> Forward:
    """The way that verdicts go."""
    return Forward(model.predict, model.device, model.shape[1:], model.memory_format)


def module_of(model: PixelClassifier) -> Forward | None:
    """The differentiable module without gradients, where predictions come from elsewhere."""
    if model.differentiable is None or not model.has_own_forward:
        return None

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return model.forward(images)

    return Forward(run, model.device, model.shape[1:], model.memory_format)


def exported(model: PixelClassifier) -> Forward | None:
    """The module as a graph in ONNX Runtime; None where that cannot be, or differs."""
    if model.differentiable is None:
        return None
    content: Any = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model.differentiable,
                (random_images(model, 2).contiguous(),),
                content,
                input_names=["images"],
                output_names=["logits"],
                dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
                dynamo=False,  # the other exporter needs a package more
            )
        session = _session(content.getvalue(), model.device)
    except Exception:  # many networks cannot be exported: torch it is
        return None
    forward = Forward(
        lambda images: _run(session, images, model.classes),
        model.device,
        model.shape[1:],
        torch.contiguous_format,
    )
    return forward if agrees(forward, model) else None


def agrees(forward: Forward, model: PixelClassifier) -> bool:
    """Whether ``forward`` gives the logits of the model's own prediction, of three images."""
    images = random_images(model, 3)
    try:
        wanted = model.predict(images)
        found = forward.run(images.contiguous(memory_format=forward.memory_format))
    except Exception:  # whatever a runtime does not understand
        return False
    return bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max())


def seconds_an_image(forward: Forward, model: PixelClassifier, batch_size: int) -> float:
    """How long ``forward`` takes for an image in batches of ``batch_size``."""
    images = random_images(model, batch_size).contiguous(memory_format=forward.memory_format)

    def work() -> int:
        forward.run(images)
        return len(images)

    return 1 / images_a_second(work, model.device, seconds=SECONDS)


def timed_export(model: PixelClassifier) -> tuple[Forward | None, float]:
    """`exported`, and how many seconds that took."""
    begun = time.perf_counter()
    forward = exported(model)
    return forward, time.perf_counter() - begun


def _session(graph: bytes, device: torch.device) -> Any:
    """The graph in ONNX Runtime on ``device``, in IEEE fp32.

    Raises:
        RuntimeError: ONNX Runtime cannot compute on the device.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Torch computes beside it: waiting threads must not hold the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = runtime_providers(device)
    session = ort.InferenceSession(graph, options, providers=providers)
    wanted, _ = providers[0]
    if wanted not in session.get_providers():
        raise RuntimeError(f"ONNX Runtime has no {wanted} here")
    return session


def _run(session: Any, images: Tensor, classes: int) -> Tensor:
    """Tensors are bound where they lie: nothing is copied."""
    import numpy as np

    logits = torch.empty((len(images), classes), device=images.device)
    place = images.device.type, images.device.index or 0, np.float32
    synchronise_stream(images.device)  # ONNX Runtime works on one of its own
    binding = session.io_binding()
    binding.bind_input("images", *place, tuple(images.shape), images.data_ptr())
    binding.bind_output("logits", *place, tuple(logits.shape), logits.data_ptr())
    try:
        session.run_with_iobinding(binding)
    except Exception as error:
        if "Failed to allocate memory" in str(error):
            raise torch.OutOfMemoryError(str(error)) from error
        raise ModelError(f"ONNX Runtime failed: {error}") from error
    binding.synchronize_outputs()
    return logits
