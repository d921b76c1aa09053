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

from harness.api import ModelError, looks
from harness.api.onnx import BoundSession
from harness.engine.classifier import PixelClassifier
from harness.engine.device import is_out_of_memory
from harness.engine.timing import images_a_second, random_images

Way = Literal["predict", "module", "exported"]

TOLERANCE = 1e-4
"""Largest difference of logits from the prediction's, relative to the largest logit."""

SECONDS = 0.05
"""How long a way is timed, about; five batches at least."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Pixel-space images on the device in, logits float32 (n, classes) out.

    Attributes:
        shape: (channels, height, width) of an image.
        memory_format: their layout.
    """

    run: Callable[[Tensor], Tensor]
    device: torch.device
    shape: tuple[int, int, int]
    memory_format: torch.memory_format


def predicting(model: PixelClassifier) -> Forward:
    """The way that verdicts go."""
    return Forward(model.predict, model.device, model.shape, model.memory_format)


def module_of(model: PixelClassifier) -> Forward | None:
    """The differentiable module without gradients, where predictions come from elsewhere."""
    if model.differentiable is None or not model.has_own_forward:
        return None

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return model.forward(images)

    return Forward(run, model.device, model.shape, model.memory_format)


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
        session = BoundSession(content.getvalue(), model.device, input="images", output="logits")
    except Exception:  # many networks cannot be exported: torch it is
        return None
    if session.device.type != model.device.type:
        return None

    def run(images: Tensor) -> Tensor:
        try:
            return session.run(images, model.classes)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise ModelError(f"ONNX Runtime failed: {error}") from error

    forward = Forward(
        run,
        model.device,
        model.shape,
        torch.contiguous_format,
    )
    return forward if agrees(forward, model) else None


def agrees(forward: Forward, model: PixelClassifier) -> bool:
    """Whether ``forward`` gives the logits of the model's own prediction, of three images."""
    images = random_images(model, 3)
    try:
        wanted = model.predict(images)
        found = forward.run(images.contiguous(memory_format=forward.memory_format))
        wanted, found = looks(wanted, found)
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
