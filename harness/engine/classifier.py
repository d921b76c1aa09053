"""A classifier in pixel space on a device: one that predicts, one that has gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, fx, nn

from harness.api import Classifier, HarnessError, ModelError, Preprocessing
from harness.api.trial import ModelTrial
from harness.definition import Numerics
from harness.engine import threads
from harness.engine.device import (
    is_out_of_memory,
    layout,
    must_compute_in,
    rows_of_pass,
    runs_ahead,
)
from harness.engine.folding import folded
from harness.engine.numerics import GradientPass, computing_in
from harness.engine.tracing import traced
from harness.overdue import overseer
from harness.signals import stop_if_asked


class PixelSpace(nn.Module):
    """``network`` behind its preprocessing: pixels in [0, 1] in, logits of the classes out."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.flip = preprocessing.channels == "bgr"
        self.background = preprocessing.background
        scale = 1 / torch.tensor(preprocessing.std, dtype=torch.float64)
        shift = -torch.tensor(preprocessing.mean, dtype=torch.float64) * scale
        # One number for all channels is a much faster kernel than one for each.
        alike = bool((scale == scale[0]).all() and (shift == shift[0]).all())
        self.gain = float(scale[0]) if alike else None
        self.register_buffer("scale", scale.float().view(1, -1, 1, 1))
        self.register_buffer(
            "shift", shift[0].float() if alike else shift.float().view(1, -1, 1, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        # Always a tensor of its own: the network may work in place on its input.
        if self.gain is not None:
            inputs = torch.add(self.shift, images, alpha=self.gain)
        else:
            inputs = torch.addcmul(self.shift, images, self.scale)
        if self.flip:
            inputs = inputs.flip(1)
        logits = _tensor(self.network(inputs))
        if self.background is None or logits.ndim != 2:
            return logits
        drop = self.background
        return torch.cat((logits[:, :drop], logits[:, drop + 1 :]), dim=1)


class _Opaque(nn.Module):
    """A forward pass that is not a torch module, so that `PixelSpace` can wrap it."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        assert classifier.forward is not None
        self.run = classifier.forward

    def forward(self, inputs: Tensor) -> Tensor:
        return self.run(inputs)


class PixelClassifier:
    """What the engine works on.

    Args:
        classifier: as its loader returned it.
        device: where to put it.
        fold_batch_norm: fold batch norms into the convolutions before them (numerics).
        rows: how many images every pass has, filled up with black ones (numerics); None: as
            many as are given, or a few more (`rows_for`).
        numerics: what gradients are computed in, and the logits beside them. ConfigError: the
            device cannot.

    Attributes:
        differentiable: pixels to logits with gradients to the pixels only, or None.
        memory_format: the layout of images that the network is fastest in.
        trial: what `harness.engine.trial` found; None: not tried yet.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        device: torch.device,
        fold_batch_norm: bool,
        rows: int | None = None,
        numerics: Numerics = "fp32",
    ) -> None:
        must_compute_in(numerics, device)
        self.device, self.rows, self.numerics = device, rows, numerics
        self.classes = classifier.classes
        self.background = classifier.preprocessing.background
        self.shape = classifier.preprocessing.shape
        self._values = math.prod(self.shape)
        self.differentiable: nn.Module | None = None
        self.memory_format = torch.contiguous_format
        self.trial: ModelTrial | None = None
        if classifier.module is not None:
            network = classifier.module.eval().requires_grad_(False)
            self.memory_format = layout(network, device)
            if fold_batch_norm:
                network = folded(network, self.shape)
            module = PixelSpace(network, classifier.preprocessing).eval().to(device)
            self.differentiable = module.to(memory_format=self.memory_format)
        predictor: nn.Module | None = self.differentiable
        if classifier.forward is not None:
            predictor = PixelSpace(_Opaque(classifier), classifier.preprocessing).to(device)
        assert predictor is not None, "a classifier has a module or a forward pass"
        self._predictor = predictor

    @property
    def has_own_forward(self) -> bool:
        """Whether predictions come from a forward pass of the loader's, not from the module's."""
        return self._predictor is not self.differentiable

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """Every module that its numbers come from."""
        parts = (self.differentiable, self._predictor)
        return tuple(part for part in dict.fromkeys(parts) if part is not None)

    def predict(self, images: Tensor) -> Tensor:
        """The logits, float32 (n, classes), of pixel-space ``images`` on the device, in IEEE fp32.

        Raises:
            ModelError: the network failed, or its output has the wrong shape.
        """
        with torch.inference_mode():
            return self._run(self._predictor, images)

    def forward(self, images: Tensor) -> Tensor:
        """The module's logits in IEEE fp32, with a graph back to ``images``.

        Raises:
            ModelError: the model has no gradients, or failed, or its output has the wrong shape.
        """
        return self._run(self._module, images)

    def differentiated(self, images: Tensor) -> GradientPass:
        """The module's logits in `numerics`, with gradients to ``images``.

        Raises:
            ModelError: see `forward`.
        """
        with torch.enable_grad():
            point = images.detach().requires_grad_(True)
            output = self._run(self._module, point, self.numerics)
        return GradientPass(output.detach(), output, point, self.numerics)

    def logits(self, images: Tensor) -> Tensor:
        """The same logits as `differentiated`'s, without gradients.

        Raises:
            ModelError: see `forward`.
        """
        with torch.no_grad():
            return self._run(self._module, images, self.numerics)

    def graphed(self, images: Tensor) -> Tensor:
        """The same logits as `differentiated`'s, with a graph back to ``images``.

        Raises:
            ModelError: see `forward`.
        """
        laid_out = images.contiguous(memory_format=self.memory_format)
        return self._run(self._module, laid_out, self.numerics)

    @property
    def _module(self) -> nn.Module:
        if self.differentiable is None:
            raise ModelError(
                "this model has no gradients", hint="choose an attack with scores or labels access"
            )
        return self.differentiable

    @cached_property
    def graph(self) -> fx.GraphModule:
        """What the module computes of one image, in ATen's operations.

        Raises:
            ModelError: the model has no gradients, or cannot be traced.
        """
        return traced(self._module, self.shape, self.device)

    def rows_for(self, count: int) -> int:
        """How many rows a pass over ``count`` images has."""
        return self.rows or rows_of_pass(count, self.device)

    def _run(self, module: nn.Module, images: Tensor, numerics: Numerics = "fp32") -> Tensor:
        rows = self.rows_for(len(images))
        if len(images) == rows:
            return self._pass(module, images, numerics)
        parts = torch.split(images, rows)
        return torch.cat(
            [self._pass(module, _filled(part, rows), numerics)[: len(part)] for part in parts]
        )

    def _pass(self, module: nn.Module, images: Tensor, numerics: Numerics) -> Tensor:
        overseer.passes += 1
        if not runs_ahead(self.device):
            threads.look(self._values)
        try:
            with computing_in(numerics, self.device):
                logits: Tensor = module(images)
        except HarnessError:
            raise
        except BaseException as error:  # a network's own KeyboardInterrupt is no Ctrl-C
            stop_if_asked()
            if is_out_of_memory(error):
                raise
            raise ModelError(
                f"the model failed{_in(numerics)}: {type(error).__name__}: {error}",
                hint=None if numerics == "fp32" else "--numerics fp32, if it works in that",
            ) from error
        if logits.shape != (len(images), self.classes):
            raise self._wrong_shape(logits, len(images))
        if logits.dtype is not torch.float32:
            if logits.dtype not in (torch.float64, _LOGITS.get(numerics)):
                raise ModelError(
                    f"the model returned {_dtype(logits)}; float32 logits are expected",
                    hint="compute in float32: verdicts are made in IEEE fp32",
                )
            logits = logits.float()
        return logits

    def _wrong_shape(self, logits: Tensor, images: int) -> ModelError:
        """What is expected, and the usual reasons why it is not that."""
        shape, dropped = tuple(logits.shape), self.background is not None
        wanted = (images, self.classes)
        hint = "the registry's `classes` and `preprocessing.background` must fit the network"
        if shape == (images, 1):
            hint = "one logit z for two classes: have the loader return two, such as 0 and z"
        elif shape == (images, self.classes + 1):
            hint = "if one output is a background class, name it in preprocessing.background"
        elif shape == (images, self.classes - 1) and dropped:
            hint = f"output {self.background} was dropped as preprocessing.background: is it one?"
        return ModelError(
            f"the model returned {shape} for {images} images; logits {wanted} are expected:"
            f" a row for each image, a column for each of the {self.classes} classes",
            hint=hint,
        )


def _tensor(found: object) -> Tensor:
    """What a network returned, if it is a tensor."""
    if isinstance(found, Tensor):
        return found
    what = f"a {type(found).__name__}"
    if isinstance(found, Mapping):
        what += f" of {', '.join(map(str, found))}"
    elif isinstance(found, Sequence) and not isinstance(found, str):
        what += f" of {len(found)}"
    raise ModelError(
        f"the model returned {what}; one tensor of logits is expected,"
        " a row for each image and a column for each class",
        hint="have the loader return the logits alone",
    )


_LOGITS = {"bf16": torch.bfloat16}
"""What a network may return in these numerics, beside float32 and float64."""


def _in(numerics: Numerics) -> str:
    return "" if numerics == "fp32" else f" in {numerics}"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _filled(images: Tensor, rows: int) -> Tensor:
    """``images`` and black ones after them, ``rows`` in all."""
    return nn.functional.pad(images, (0, 0, 0, 0, 0, 0, 0, rows - len(images)))
