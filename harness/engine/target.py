"""`Target` for whole-batch attacks: counts passes per image, refuses what was not declared.

What an attack with gradients compares with each other is computed in the gradients' numerics: they
and the logits. Predictions, and the logits of attacks that have nothing else, are in IEEE fp32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.api import Access, AttackParameters, Passes, PluginError, Target, looks
from harness.engine.classifier import PixelClassifier
from harness.engine.device import runs_ahead, sent
from harness.engine.values import checked_images


def cotangent_of(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """The gradient of the sum of ``loss`` to ``logits``, which it may overwrite."""
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_(True)
        (cotangent,) = torch.autograd.grad(loss(leaf.clone()).sum(), leaf)
    return cotangent


class CountingTarget(Target):
    """The model as one batch of an attack sees it.

    Attributes:
        forwards, backwards: int64 (n,), on the device, the passes made for each row so far.
        flat: bool (n,), on the device, the rows whose first gradient was zero everywhere.
    """

    def __init__(self, model: PixelClassifier, attack: AttackParameters, rows: int) -> None:
        self._model = model
        self._access = attack.access
        self.classes = model.classes
        self.forwards, self.backwards = torch.zeros(
            (2, rows), dtype=torch.int64, device=model.device
        )
        self.flat = torch.zeros(rows, dtype=torch.bool, device=model.device)
        self._seen = False

    def counted(self) -> tuple[list[Passes], list[bool]]:
        """The passes made for each row so far, and `flat`; a look at the device."""
        forwards, backwards, flat = looks(self.forwards, self.backwards, self.flat)
        rows = zip(forwards.tolist(), backwards.tolist(), strict=True)
        return [Passes(*row) for row in rows], flat.tolist()

    def labels(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        self._count(self.forwards, images, rows)
        return self._model.predict(self._laid_out(images)).argmax(1)

    def logits(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        self._allow("logits", Access.SCORES, Access.WHITE_BOX)
        self._count(self.forwards, images, rows)
        if self._access is Access.WHITE_BOX and self._model.numerics != "fp32":
            return self._model.logits(self._laid_out(images))
        return self._model.predict(self._laid_out(images)).clone()

    def gradient(
        self, images: Tensor, loss: Callable[[Tensor], Tensor], rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        self._allow("gradients", Access.WHITE_BOX)
        self._count(self.forwards, images, rows)
        self._count(self.backwards, images, rows)
        made = self._model.differentiated(self._laid_out(images))
        gradient = made.gradient(cotangent_of(loss, made.logits))
        self._look(gradient, rows)
        return made.logits, gradient

    def _look(self, gradient: Tensor, rows: Tensor | None) -> None:
        if self._seen:
            return
        if rows is not None:
            first = self.backwards[rows] == 1
            if not runs_ahead(self._model.device) and not first.any():
                return
        zero = ~gradient.ne(0).any(dim=(1, 2, 3))
        if rows is None:
            self.flat = torch.where(self.backwards == 1, zero, self.flat)
            self._seen = True
            return
        self.flat[rows] = torch.where(first, zero, self.flat[rows])

    def _laid_out(self, images: Tensor) -> Tensor:
        checked_images(images, "the attack", self._model.shape, device=self._model.device)
        return images.detach().contiguous(memory_format=self._model.memory_format)

    def _allow(self, what: str, *access: Access) -> None:
        if self._access not in access:
            raise PluginError(
                f"the attack asked for {what} but declares access {self._access.value!r}",
                hint="declare the access that it needs",
            )

    def _count(self, counter: Tensor, images: Tensor, rows: Tensor | None) -> None:
        if rows is None:
            if len(images) != len(counter):
                raise PluginError(
                    f"the attack evaluated {len(images)} images of a batch of {len(counter)}",
                    hint="say which with rows=",
                )
            counter += 1
        else:
            rows = sent(rows, self._model.device)
            counter.index_add_(0, rows, torch.ones_like(rows, dtype=counter.dtype))
