"""CLEVER's samples around an image: numbers that depend on its seed and their place alone.

They are drawn in blocks of a fixed length, each from a generator of its own, so that neither the
size of a pass nor how far a run came changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.api import Subject, look

BLOCK = 64
"""How many samples share a generator."""

Ball = Literal["l1", "l2", "linf"]
DUAL = {"l1": float("inf"), "l2": 2.0, "linf": 1.0}
"""The order of the gradient's norm that goes with distances in each norm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which samples are drawn.

    Attributes:
        batches: at most, of ``samples`` each.
        radial, clip: see `blocks`.
        tolerance: sampling ends once the interval of the location is narrower than this share of
            it; None: never.
    """

    norm: Ball
    radius: float
    batches: int
    samples: int
    radial: bool
    clip: bool
    tolerance: float | None


def blocks(
    subject: Subject,
    ball: Ball,
    batches: range,
    samples: int,
    *,
    radius: float,
    radial: bool,
    clip: bool,
) -> Iterator[tuple[int, Tensor]]:
    """(batch, images): the samples of ``batches``, ``samples`` each, at most `BLOCK` at a time.

    Args:
        radial: l1 and l2 distances are uniform in [0, radius], as in the released code; if not, the
            samples are uniform in the ball.
        clip: whether they are clipped to the pixel range.
    """
    image = look(subject.image)
    for batch in batches:
        for number, start in enumerate(range(0, samples, BLOCK)):
            count = min(BLOCK, samples - start)
            generator = subject.generator(ball, batch, number)
            moved = image + offsets(
                ball, count, image.shape, radius=radius, radial=radial, generator=generator
            )
            yield batch, moved.clamp_(0, 1) if clip else moved


def offsets(
    ball: Ball,
    count: int,
    shape: torch.Size | tuple[int, ...],
    *,
    radius: float,
    radial: bool,
    generator: torch.Generator,
) -> Tensor:
    """``count`` random vectors of ``shape`` in the ball around 0; float32."""
    if ball == "linf":
        return torch.empty((count, *shape)).uniform_(-radius, radius, generator=generator)
    if ball == "l1":
        # Exponential sizes with random signs: uniform on the sphere once scaled. By their quantiles
        # they take a third of the time of torch's own.
        values = torch.empty((count, *shape)).uniform_(-1, 1, generator=generator)
        sizes = torch.log1p(-values.abs().clamp_(max=1 - 2**-24)).neg_()  # finite at the very end
        values = values.sign() * sizes
    else:
        values = torch.empty((count, *shape)).normal_(generator=generator)
    flat = values.view(count, -1)
    lengths = torch.linalg.vector_norm(flat, 1 if ball == "l1" else 2, dim=1)
    uniform = torch.empty(count, dtype=torch.float64).uniform_(generator=generator)
    distances = uniform if radial else uniform ** (1 / flat.shape[1])
    flat *= (radius * distances / lengths).float()[:, None]
    return values
