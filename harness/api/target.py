"""`Target`: the model as an attack sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


class Target(ABC):
    """A classifier in pixel space with its passes counted per image; made by the harness.

    ``images`` are float32 (n, channels, height, width) in [0, 1], one row per row of the batch,
    or per member of ``rows`` (int64 row numbers) where given. What the attack's declared
    access does not cover raises `PluginError`.
    """

    classes: int

    @abstractmethod
    def labels(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        """The predicted classes, int64 (n,). Any access."""

    @abstractmethod
    def logits(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        """The logits, float32 (n, classes), without a graph. Access: scores or white box."""

    @abstractmethod
    def gradient(
        self, images: Tensor, loss: Callable[[Tensor], Tensor], rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits, and the gradient of each image's loss with respect to its pixels.

        ``loss`` maps logits (n, classes) to one number per image, (n,). One forward and one
        backward pass. Access: white box.
        """

    @abstractmethod
    def model(self, rows: Tensor | None = None) -> nn.Module:
        """The model as a torch module, for a library that wants one: pixels in, logits out.

        Each call counts forward passes, and each time that its graph is differentiated backward
        passes: one for each of ``rows`` (all of them where None) if it is called on as many images,
        k on k times as many. On any other number nobody knows whose images they are: then the
        passes are shared evenly among ``rows``.

        Gradients flow to the images alone: there are no weights to see, and the only parameter is a
        constant that says which device the model is on. Access: with scores the logits have no
        gradients, with labels they are 1 for the predicted class and 0 for all others.
        """
