"""The points of a plane through an image, and the model's loss and margin there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.api import MeasurementResult, Probe, Subject, look, looks
from harness_metrics.crossing import line_numbers


@dataclass(frozen=True, slots=True)
class Plane:
    """x + a*d1 + b*d2 for d1 = ``toward`` - x; exactly x at (0, 0) and ``toward`` at (1, 0)."""

    image: Tensor
    toward: Tensor
    second: Tensor
    clip: bool

    def points(self, a: Tensor, b: Tensor) -> Tensor:
        """float32 (n, channels, height, width) for ``a`` and ``b``, float64 (n,)."""
        a, b = (each.view(-1, 1, 1, 1).to(self.image, non_blocking=True) for each in (a, b))
        # Not x + a * (toward - x): rounded, its point at a = 1 is not the candidate.
        moved = (1 - a) * self.image + a * self.toward + b * self.second
        return moved.clamp(0, 1) if self.clip else moved


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the surfaces are looked at.

    Attributes:
        points: along each of the two axes.
        extent: the largest a and b.
    """

    direction: Literal["gradient", "attack"]
    points: int
    extent: float
    clip: bool


def survey(grid: Grid, probe: Probe, subject: Subject) -> MeasurementResult:
    """The surfaces of one image."""
    plane = _plane(grid, probe, subject)
    if isinstance(plane, str):
        return MeasurementResult(problem=plane)
    axis = _axis(grid.points, grid.extent)
    loss, margin = _on_grid(plane, probe, subject.label, axis)
    numbers = {"length": float(look(torch.linalg.vector_norm(plane.second.double())))}
    if subject.adversarial is not None:
        there = probe.logits(subject.adversarial[None])
        numbers["attack_distance"] = numbers["length"]
        at_attack = looks(_loss(there, subject.label), _margin(there, subject.label))
        numbers["attack_loss"], numbers["attack_margin"] = (float(each[0]) for each in at_attack)
    sane = loss.isfinite().all() and margin.isfinite().all()
    if not sane or not all(map(math.isfinite, numbers.values())):
        return MeasurementResult(problem="NaN or infinite logits on the surface")
    arrays = {
        name: values.numpy().astype(np.float32)
        for name, values in (("a", axis), ("b", axis), ("loss", loss), ("margin", margin))
    }
    derived = line_numbers(arrays["a"], arrays["loss"], arrays["margin"])
    return MeasurementResult({**derived, **numbers}, arrays)


def _plane(grid: Grid, probe: Probe, subject: Subject) -> Plane | str:
    """The plane, or why there is none."""
    image = subject.image
    if grid.direction == "attack":
        if subject.adversarial is None:
            return "the attack left no candidate"
        toward = subject.adversarial
        if bool(look((toward == image).all())):
            return "the attack's candidate is the image itself: there is no direction"
    else:
        gradient = _gradient(probe, subject)
        finite, any_slope = looks(gradient.isfinite().all(), gradient.any())
        if not finite:
            return "NaN or infinite gradients at the image"
        if not any_slope:
            return "the gradient is 0 everywhere: there is no direction"
        toward = image + gradient.sign()
    first = toward - image
    return Plane(image, toward, _second(subject, first), grid.clip)


def _gradient(probe: Probe, subject: Subject) -> Tensor:
    """What FGSM follows: away from the true class, or towards the goal's."""
    goal = subject.label if subject.target is None else subject.target

    def loss(logits: Tensor) -> Tensor:
        rises = -torch.log_softmax(logits, dim=1)[:, goal]
        return rises if subject.target is None else -rises

    _, gradient = probe.gradient(subject.image[None], loss)
    return gradient[0]


def _second(subject: Subject, first: Tensor) -> Tensor:
    """A random direction orthogonal to ``first``, of its l2 length."""
    along = first.double().flatten()
    drawn = torch.empty(first.shape).normal_(generator=subject.generator("second"))
    other = drawn.to(first.device, non_blocking=True).double().flatten()
    other -= along * (other @ along) / (along @ along)
    other *= torch.linalg.vector_norm(along) / torch.linalg.vector_norm(other)
    return other.view_as(first).float()


def _axis(points: int, reach: float) -> Tensor:
    """float64 (points,), the middle one exactly 0."""
    half = points // 2
    return torch.arange(-half, half + 1, dtype=torch.float64) * (reach / half)


def _on_grid(plane: Plane, probe: Probe, label: int, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and margin at all points, float64 (points * points,), row by row of b."""
    a, b = axis.repeat(len(axis)), axis.repeat_interleave(len(axis))
    losses, margins, start = [], [], 0
    while start < len(a):
        part = slice(start, start + probe.size)
        logits = probe.logits(plane.points(a[part], b[part]))
        losses.append(_loss(logits, label))
        margins.append(_margin(logits, label))
        start += len(logits)
    on_host = looks(torch.cat(losses), torch.cat(margins))
    return on_host[0], on_host[1]


def _loss(logits: Tensor, label: int) -> Tensor:
    """Cross-entropy of the true class, (n,)."""
    return -torch.log_softmax(logits.double(), dim=1)[:, label]


def _margin(logits: Tensor, label: int) -> Tensor:
    """The decision margin, (n,)."""
    others = logits.double().clone()
    others[:, label] = -torch.inf
    return logits[:, label].double() - others.max(dim=1).values
