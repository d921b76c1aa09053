"""Measurements: numbers of one image that no attack and no pure function of stored rows gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from harness.api.columns import LeaderboardColumn
from harness.api.goal import Access, Goal
from harness.api.records import Passes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, fx

Pair = tuple[int, int]
"""(toward, away): the direction in which the first class's logit grows against the second's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One image to measure, in pixel space [0, 1].

    Attributes:
        image: float32 (channels, height, width) on the model's device, classified correctly.
        label: the true class.
        target: the class the goal refers to; None for the untargeted one.
        seed: for `generator`; it depends on the image and the cell alone.
        adversarial: like ``image``, the candidate of the attack that the measurement starts from
            (`Measurement.starts_from`) for the same goal, successful or not; None: it starts
            from none.
    """

    image: Tensor
    label: int
    target: int | None
    seed: int
    adversarial: Tensor | None = None

    def generator(self, *draw: int | str) -> torch.Generator:
        """Random numbers on the CPU that depend on the image, the cell and ``draw`` alone."""
        import torch

        from harness.identity import seed_of

        return torch.Generator().manual_seed(seed_of(self.seed, *draw))


@dataclass(frozen=True, slots=True)
class MeasurementResult:
    """What was measured of one image.

    Attributes:
        numbers: stored under their names; what is not finite is not stored.
        arrays: float32 (n,) each, stored with them.
        problem: why this is not a valid measurement, in one line. The image then has status
            ``invalid`` and takes part in no mean; numbers that are known may still be stored.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """The rest of a measurement, which needs no model: ``function(*arguments)`` is the result.

    The harness runs it in another process, while the device works. Both must be picklable, and the
    function's module should import no torch.
    """

    function: Callable[..., MeasurementResult]
    arguments: tuple[Any, ...]


class Probe(ABC):
    """The model as a measurement sees it, passes counted; made by the harness for one image.

    ``images`` are float32 (n, channels, height, width) on any device, as many as there are: they
    pass through the model in batches that its memory allows, and results are on its device. What
    the measurement's declared access does not cover raises `PluginError`.
    """

    classes: int
    size: int
    """How many images share a pass; it changes nothing but the speed."""

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """The logits, float32 (n, classes). Access: scores or white box."""

    @abstractmethod
    def gradient(
        self, images: Tensor, loss: Callable[..., Tensor], *aligned: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits, and the gradient of each image's loss with respect to its pixels.

        ``loss`` maps logits (n, classes), and those rows of ``aligned`` tensors that go with them,
        to one number per image, (n,). One forward and one backward pass per image. Access: white
        box.
        """

    @abstractmethod
    def slopes(
        self, images: Tensor, pairs: Sequence[Pair], reduce: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Logits, and for each pair the gradient of logit[toward] - logit[away], reduced.

        ``reduce`` maps gradients (n, channels, height, width) to (n, ...) at once, so that they are
        never all in memory. The second result is (n, pairs, ...). One forward pass per image, and
        one backward pass for each pair. Access: white box.
        """

    @abstractmethod
    def graph(self) -> fx.GraphModule:
        """What the model computes of one image, float32 (1, channels, height, width), as a graph.

        Pixels in, logits out, in ATen's operations (``torch.ops.aten``), weights as attributes; the
        same object for all images of a model. To look at, not to run: no pass is counted. Access:
        white box.

        Raises:
            ModelError: it has no gradients, or cannot be traced.
        """


class Measurement(BaseModel, ABC):
    """A measurement: a frozen pydantic model whose fields are its hyper-parameters.

    The fields that differ from their defaults are part of the cell key, so a changed default needs
    a new version at registration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    goals: ClassVar[frozenset[Goal]] = frozenset({Goal.UNTARGETED})
    """The goals that it knows; one that has no use for them keeps the untargeted one."""
    access: ClassVar[Access] = Access.WHITE_BOX
    stochastic: ClassVar[bool] = False
    """Whether results depend on `Subject.generator`, and so on the run's seed."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named parameter sets, by what a suite calls them: ``preset: fast``."""

    leaderboard_columns: ClassVar[Mapping[str, LeaderboardColumn]] = {}
    """The columns of its scores, by their names, those of stored results too. Without one a score
    is shown on leaderboards of attacks; see `scores` for distances."""

    @property
    def scores(self) -> Mapping[str, str]:
        """The numbers whose means over the measured images are a model's scores, with their units.

        A name that begins with a norm and a dot, such as ``l2.score``, says that the number bounds
        distortions in that norm from below: leaderboards show it next to what attacks found, and
        take it for larger where a model is more robust unless `leaderboard_columns` says otherwise.
        """
        return {}

    @property
    def starts_from(self) -> str | None:
        """Name or label of the suite's attack whose saved adversarial examples it needs, if any.

        An image without one has status ``error``. The attack is part of the cell key.
        """
        return None

    @property
    def rows(self) -> int | None:
        """How many rows of a pass an image takes, where several can share passes; else None."""
        return None

    def passes(self, goal: Goal, classes: int) -> Passes | None:
        """The most passes that one image takes, for ``harness plan``; None: unknown."""
        return None

    @abstractmethod
    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult | Later:
        """Measure one image."""

    def again(
        self, numbers: Mapping[str, float], arrays: Mapping[str, np.ndarray]
    ) -> MeasurementResult | None:
        """The result recomputed from what is stored of it, for ``harness verify --refit``.

        ``numbers`` and ``arrays`` are those of an earlier `MeasurementResult`; what is stored of
        the model, such as its logits, may be taken from ``numbers``. None: it needs the model.
        """
        return None

    def measure_together(
        self, probe: Probe, subjects: Sequence[Subject]
    ) -> Sequence[MeasurementResult | Later]:
        """Measure several images that share passes; called where `rows` is not None.

        Each takes as many passes as the others, and no result depends on the other images.
        """
        return [self.measure(probe, subject) for subject in subjects]
