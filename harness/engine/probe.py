"""`Probe` for measurements: counts passes, refuses what was not declared, halves its batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx

from harness.api import Access, Measurement, Pair, PluginError, Probe
from harness.engine.classifier import PixelClassifier
from harness.engine.device import sent
from harness.engine.halving import BatchSize
from harness.engine.target import cotangent_of
from harness.engine.values import checked_images

ASKED = "the measurement asked for"
"""How the error begins of a measurement that needs more access than it declares."""


class CountingProbe(Probe):
    """The model for one image at a time; `begin` starts the next one.

    Args:
        size: images in a pass; halved when the device runs out of memory.
        on_halving: called with the new size.
        on_pass: called after each pass.

    Attributes:
        forwards, backwards: passes since `begin`.
    """

    def __init__(
        self,
        model: PixelClassifier,
        measurement: Measurement,
        *,
        size: int,
        on_halving: Callable[[int], None],
        on_pass: Callable[[], None],
    ) -> None:
        self._model, self._access = model, measurement.access
        self._on_halving, self._on_pass = on_halving, on_pass
        self._batches = BatchSize(size, model.device, self._halved)
        self.classes, self.size = model.classes, size
        self.begin()

    def _halved(self, size: int) -> None:
        self.size = size
        self._on_halving(size)

    def begin(self) -> None:
        """A new image."""
        self.forwards = self.backwards = 0

    def logits(self, images: Tensor) -> Tensor:
        self._allow("logits", Access.SCORES, Access.WHITE_BOX)
        (logits,) = self._batched(images, lambda part, _: (self._model.predict(part).clone(),), 0)
        return logits

    def gradient(
        self, images: Tensor, loss: Callable[..., Tensor], *aligned: Tensor
    ) -> tuple[Tensor, Tensor]:
        self._allow("gradients", Access.WHITE_BOX)

        def run(part: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
            made = self._model.differentiated(part)
            beside = [each[rows] for each in aligned]
            cotangent = cotangent_of(lambda logits: loss(logits, *beside), made.logits)
            return made.logits, made.gradient(cotangent)

        logits, gradients = self._batched(images, run, 1)
        return logits, gradients

    def slopes(
        self, images: Tensor, pairs: Sequence[Pair], reduce: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        self._allow("gradients", Access.WHITE_BOX)

        def run(part: Tensor, _: slice) -> tuple[Tensor, Tensor]:
            made = self._model.differentiated(part)
            reduced = []
            for number, (toward, away) in enumerate(pairs, start=1):
                cotangent = torch.zeros_like(made.logits)
                cotangent[:, toward] += 1
                cotangent[:, away] -= 1
                # One backward pass a pair: faster than `is_grads_batched`, and no copies of it.
                reduced.append(reduce(made.gradient(cotangent, again=number < len(pairs))))
            return made.logits, torch.stack(reduced, dim=1)

        logits, reduced = self._batched(images, run, len(pairs))
        return logits, reduced

    def graph(self) -> fx.GraphModule:
        self._allow("the network", Access.WHITE_BOX)
        return self._model.graph

    def _batched(
        self, images: Tensor, run: Callable[[Tensor, slice], tuple[Tensor, ...]], backwards: int
    ) -> list[Tensor]:
        """``run`` on parts of ``images`` and their rows, put together again."""
        checked_images(images, "the measurement", self._model.shape)

        def one(numbers: Sequence[int]) -> tuple[Tensor, ...]:
            rows = slice(numbers[0], numbers[-1] + 1)
            part = sent(images[rows].detach(), self._model.device)
            # A copy always: the parts get a graph of their own.
            found = run(part.clone(memory_format=self._model.memory_format), rows)
            self.forwards += len(part)
            self.backwards += backwards * len(part)
            self._on_pass()
            return found

        parts = self._batches.parts(one, range(len(images)))
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    def _allow(self, what: str, *access: Access) -> None:
        if self._access not in access:
            raise PluginError(
                f"{ASKED} {what} but declares access {self._access.value!r}",
                hint="declare the access that it needs",
            )
