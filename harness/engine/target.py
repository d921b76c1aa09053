"""`Target` for whole-batch attacks: counts passes per image, refuses what was not declared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from harness.api import Access, AttackParameters, Passes, PluginError, Target
from harness.engine.classifier import PixelClassifier
from harness.engine.values import checked_images


class CountingTarget(Target):
    """The model as one batch of an attack sees it.

    Attributes:
        forwards, backwards: int64 (n,), the passes made for each row so far.
        flat: bool (n,), the rows whose first gradient was zero everywhere.
    """

    def __init__(self, model: PixelClassifier, attack: AttackParameters, rows: int) -> None:
        self._model = model
        self._access = attack.access
        self.classes = model.classes
        self.forwards = np.zeros(rows, dtype=np.int64)
        self.backwards = np.zeros(rows, dtype=np.int64)
        self.flat = np.zeros(rows, dtype=np.bool_)

    @property
    def passes(self) -> list[Passes]:
        """The passes made for each row so far."""
        rows = zip(self.forwards.tolist(), self.backwards.tolist(), strict=True)
        return [Passes(*row) for row in rows]

    def labels(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        self._count(self.forwards, images, rows)
        return self._model.predict(self._laid_out(images)).argmax(1)

    def logits(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        self._allow("logits", Access.SCORES, Access.WHITE_BOX)
        self._count(self.forwards, images, rows)
        return self._model.predict(self._laid_out(images)).clone()

    def gradient(
        self, images: Tensor, loss: Callable[[Tensor], Tensor], rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        self._allow("gradients", Access.WHITE_BOX)
        self._count(self.forwards, images, rows)
        self._count(self.backwards, images, rows)
        with torch.enable_grad():
            point = self._laid_out(images).requires_grad_(True)
            logits = self._model.forward(point)
            (gradient,) = torch.autograd.grad(loss(logits).sum(), point)
        self._look(gradient, rows)
        return logits.detach(), gradient

    def _look(self, gradient: Tensor, rows: Tensor | None) -> None:
        index = np.arange(len(self.flat)) if rows is None else rows.cpu().numpy()
        first = self.backwards[index] == 1
        if first.any():
            zero = ~gradient.ne(0).any(dim=(1, 2, 3)).cpu().numpy()
            self.flat[index[first]] = zero[first]

    def _laid_out(self, images: Tensor) -> Tensor:
        checked_images(images, "the attack", self._model.shape, device=self._model.device)
        return images.detach().contiguous(memory_format=self._model.memory_format)

    def _allow(self, what: str, *access: Access) -> None:
        if self._access not in access:
            raise PluginError(
                f"the attack asked for {what} but declares access {self._access.value!r}",
                hint="declare the access that it needs",
            )

    def _count(self, counter: np.ndarray, images: Tensor, rows: Tensor | None) -> None:
        if rows is None:
            if len(images) != len(counter):
                raise PluginError(
                    f"the attack evaluated {len(images)} images of a batch of {len(counter)}",
                    hint="say which with rows=",
                )
            counter += 1
        else:
            np.add.at(counter, rows.cpu().numpy(), 1)
