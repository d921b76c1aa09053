"""Attacks: a frozen pydantic model whose fields are the attack's hyper-parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from harness.api.goal import Access, Goal
from harness.api.host import look
from harness.api.records import Norm, Passes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from harness.api.target import Target


@dataclass(frozen=True, slots=True)
class Batch:
    """Images to attack, one row each; on the model's device, in pixel space [0, 1].

    Attributes:
        images: float32 (n, channels, height, width), correctly classified by the model.
        labels: int64 (n,), the true classes.
        classes: int64 (n,), the class the goal refers to: the target where ``targeted``, else the
            true class.
        targeted: bool (n,); rows of one batch may have different goals.
        seeds: one per row, for `noise`; they depend on the image and the cell alone.
    """

    images: Tensor
    labels: Tensor
    classes: Tensor
    targeted: Tensor
    seeds: tuple[int, ...]

    def noise(self, draw: int, shape: tuple[int, ...] | None = None) -> Tensor:
        """Standard normal numbers, (n, *shape), by default of the images' shape.

        ``draw`` numbers the attack's draws. Each row comes from its own generator on the CPU, so
        that an image's numbers do not depend on the other images in the batch or on the device.
        """
        import torch

        from harness.identity import seed_of

        shape = tuple(self.images.shape[1:]) if shape is None else shape
        rows = [
            torch.randn(shape, generator=torch.Generator().manual_seed(seed_of(seed, draw)))
            for seed in self.seeds
        ]
        return torch.stack(rows).to(self.images.device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What an attack returns: its adversarial images, for failed rows the last iterate.

    Attributes:
        images: float32 (n, channels, height, width) in pixel space [0, 1].
        numbers: further numbers for each image, (n,) each, stored under their names (such as the
            epsilon that a search ended at). NaN means "none for this image".
    """

    images: Tensor
    numbers: Mapping[str, Tensor] = field(default_factory=dict)


class AttackParameters(BaseModel):
    """What all attacks have in common: hyper-parameters and capabilities.

    A subclass declares its hyper-parameters as pydantic fields with bounds and descriptions.
    Instances are frozen; the fields that differ from their defaults are part of the cell key, so a
    changed default needs a new version at registration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    norm: ClassVar[Norm]
    """The norm that the attack bounds or minimises."""
    goals: ClassVar[frozenset[Goal]] = frozenset(Goal)
    """The goals that the attack can pursue."""
    default_goals: ClassVar[tuple[Goal, ...]] = (Goal.UNTARGETED, Goal.RANDOM)
    """Where neither suite nor command names any: those of them that are among `goals`, or all."""
    access: ClassVar[Access] = Access.WHITE_BOX
    stochastic: ClassVar[bool] = False
    """Whether results depend on `Batch.noise`, and so on the run's seed, with its defaults."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named parameter sets, by what a suite calls them: ``preset: fast``."""

    @property
    def budget(self) -> float | None:
        """The declared epsilon in `norm`, or None for an attack that minimises the distortion."""
        return None

    @property
    def confidence(self) -> float:
        """The margin kappa that the attack aims for; 0 unless the attack knows the notion."""
        return 0.0

    @property
    def draws(self) -> bool:
        """Whether results depend on `Batch.noise` with these parameters."""
        return self.stochastic

    @property
    def passes(self) -> Passes | None:
        """The most passes that one image takes, for ``harness plan``; None: unknown."""
        return None


class Attack(AttackParameters, ABC):
    """An attack that works on whole batches: ten lines for a third party."""

    most_images: ClassVar[int | None] = None
    """The most images of one batch; None: as many as the engine likes. With 1 no image sees another
    one, as a library needs that stops, searches or draws for all images of a batch together."""
    best_query: ClassVar[bool] = True
    """Whether the nearest adversarial one of all images that it asks about is stored beside what it
    returns. False where these are no candidates, or one more image a row takes too much memory."""

    @abstractmethod
    def perturb(self, target: Target, batch: Batch) -> Candidates | Tensor:
        """The adversarial images for ``batch``, one row each.

        Success is judged by the harness with a forward pass of its own. What leaves [0, 1], holds
        NaN or exceeds `budget` is recorded as ``invalid``.
        """


@dataclass(frozen=True, slots=True)
class Slots:
    """The room a stepped attack has: ``count`` rows for images of ``shape`` on ``device``."""

    count: int
    shape: tuple[int, int, int]
    classes: int
    device: torch.device
    memory_format: torch.memory_format


@dataclass(frozen=True, slots=True)
class Point:
    """Where a stepper wants the model evaluated.

    Attributes:
        images: float32, one row per slot, or one per member of ``rows``.
        gradient: whether any row needs a gradient; if not, the engine makes a forward pass only and
            does not call `Stepper.step`.
        asking: bool, one for each of ``images``: those that need the gradient, where they are not
            all of them. It serves the per-image count of backward passes.
        rows: int64, the slots that ``images`` belongs to; None for all. Logits, cotangents and
            gradients then have as many rows as ``images``.
        again: whether `Stepper.step` may ask for further gradients of this forward pass, whose
            activations then stay in memory until it asks for no more.
    """

    images: Tensor
    gradient: bool = True
    asking: Tensor | None = None
    rows: Tensor | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """One more backward pass of the same forward pass, with another cotangent.

    Attributes:
        cotangent: float32, as `Stepper.observe` returns it.
        asking: as of `Point`: the rows that need it, where they are not all of them.
    """

    cotangent: Tensor
    asking: Tensor | None = None


class Stepper(ABC):
    """A stepped attack on a fixed number of slots, each with an image of its own.

    The engine owns the model and calls, until every image is finished::

        point() -> forward -> observe(logits) -> backward -> step(gradient)

    A step that returns `Again` is followed by another backward pass and another step; one that
    returns None ends the round. Every tensor and numpy array among the attributes has a leading
    slot dimension: `keep` relies on it. Rows never look at each other. A finished row's result
    stays unchanged until it is loaded again, and the point's images stay unchanged until the last
    backward pass, which needs them.

    An image may be stopped before it has finished, at its budget of passes: the engine asks for its
    `result` and loads another image in its place, or none.
    """

    finished: Tensor
    """bool (slots,): the rows whose `result` is final."""

    @abstractmethod
    def load(self, rows: Tensor, batch: Batch) -> None:
        """Put the images of ``batch`` into the slots ``rows`` (int64) and start them anew.

        What these slots held before may be unfinished.
        """

    @abstractmethod
    def point(self) -> Point:
        """Where to evaluate the model next."""

    @abstractmethod
    def observe(self, logits: Tensor) -> Tensor | None:
        """Take the logits at the point, (rows, classes), outside autograd.

        Returns the cotangent of the attack's loss on the logits, of the same shape, where the point
        asked for a gradient.
        """

    @abstractmethod
    def step(self, gradient: Tensor) -> Again | None:
        """Take the loss's gradient at the point, of the images' shape; it may be overwritten.

        Where the point has ``again``, it may ask for the gradient of another cotangent, and is
        called with that one too.
        """

    @abstractmethod
    def result(self, rows: Tensor) -> Candidates:
        """The candidates of the slots ``rows`` (int64), finished or not; nothing changes.

        Of an unfinished one the best so far, or, before there is one, the last iterate: within the
        budget, where one is declared. It is asked for between rounds, after `point`, and after a
        `step` that returned `Again`.
        """

    def next_finish(self) -> int | None:
        """How many further rounds until a loaded row finishes, where the host knows; else None.

        It spares the engine looks at `finished`, which cost a device a round trip.
        """
        return None

    def keep(self, rows: Tensor) -> None:
        """Shrink to the slots ``rows`` (int64), in that order, when few images are left."""
        import numpy
        import torch

        index = look(rows).numpy()
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(self, name, value[rows])
            elif isinstance(value, numpy.ndarray):
                setattr(self, name, value[index])


class SteppedAttack(AttackParameters, ABC):
    """An attack that leaves the model to the engine: continuous batching, no wasted passes."""

    @abstractmethod
    def stepper(self, slots: Slots) -> Stepper:
        """A stepper with all its memory for ``slots``; every slot starts finished."""


class CompositeAttack(AttackParameters, ABC):
    """Attacks in order, as one: what an image has to withstand all of.

    With a `budget` an image leaves as soon as a member breaks it, by the harness's verdict: the
    worst case (Croce & Hein 2020b, section 5). Without one every member attacks it, and the nearest
    candidate that breaks it counts. An image that no member breaks keeps the candidate that came
    closest to it: the one with the largest margin.

    The composite's norm, budget and confidence judge all candidates, whatever the member declares.
    One of a member without a budget that lies beyond the composite's is pulled back onto it, on the
    line to the image. A member that fails on an image costs it that member: its outcome is an error
    only if no other one breaks it. Passes are summed.
    """

    @abstractmethod
    def members(self) -> Sequence[AttackParameters]:
        """The attacks in their order; composites may be among them.

        The random numbers of an image differ from one member to the next. An outcome's number
        ``member`` is the place, from 0, of the one whose candidate is kept.
        """

    @property
    def passes(self) -> Passes | None:
        """The sum of the members', as if none broke the image; None where one is unknown."""
        known = [member.passes for member in self.members()]
        if any(each is None for each in known):
            return None
        return Passes(
            sum(each.forwards for each in known if each),
            sum(each.backwards for each in known if each),
        )
