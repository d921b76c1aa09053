"""Fast minimum-norm attacks, l0, l1, l2 and linf (Pintor et al. 2021): parameters and presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.api import Norm, Passes, Slots, SteppedAttack, Stepper

PAPER: Mapping[str, Any] = {
    "direction": "l2",
    "relative": False,
    "step_size": 1.0,
    "momentum": 0.0,
    "softness": 0.0,
    "leap": 0.0,
    "growth": False,
}


class _FMN(SteppedAttack):
    """Steps along the gradient, projected onto a ball whose radius epsilon follows the boundary.

    Pintor et al. 2021, "Fast minimum-norm adversarial attacks through adaptive norm constraints",
    Algorithm 1. Epsilon shrinks by gamma while the image is adversarial and grows by it while it is
    not; before the first success it is the distance of the linearised boundary. The preset
    ``paper`` is their algorithm; defaults are what ends nearer, each for the reason that its field
    gives (figures: docs/benchmarks/peers.md).
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": PAPER}

    steps: int = Field(100, ge=1, le=1_000_000, description="iterations; the last one only judges")
    direction: Literal["l2", "sign"]
    relative: bool
    step_size: float = Field(gt=0)
    final_step: float = Field(
        0.01, ge=0, le=1, description="the last step size over the first, by cosine annealing"
    )
    gamma: float = Field(0.05, gt=0, lt=1, description="by which share epsilon moves at first")
    final_gamma: float = Field(0.001, gt=0, lt=1, description="by which share at last")
    momentum: float = Field(ge=0, lt=1)
    softness: float = Field(
        0.3,
        ge=0,
        description="untargeted, the margin is over a softmax of the other classes whose "
        "temperature is this share of the margin's size, so that the rival nearest at the start "
        "is not the only one tried; 0 (the paper's): over the largest",
    )
    leap: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="by which share epsilon falls at most, annealed, to the linearised boundary "
        "while the image is adversarial; 0 (the paper's): by gamma alone",
    )
    growth: bool = Field(
        True,
        description="epsilon grows by gamma at least until the first success: the linearised "
        "boundary alone may stay too near for ever",
    )

    @property
    def passes(self) -> Passes:
        return Passes(self.steps, self.steps - 1)

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.nearest.fmn_stepper import FMNStepper, Moves

        moves = Moves(
            sign=self.direction == "sign",
            relative=self.relative,
            step_sizes=(self.step_size, self.step_size * self.final_step),
            gammas=(self.gamma, self.final_gamma),
            momentum=self.momentum,
            softness=self.softness,
            leap=self.leap,
            growth=self.growth,
        )
        return FMNStepper(slots, self.norm, self.steps, moves)


DIRECTION = "the gradient over its l2 norm (the paper's), or its sign"
RELATIVE = "whether step sizes are shares of epsilon, and so have no scale, or in pixels"
STEP_SIZE = "the first step size"
MOMENTUM = "share of the past directions that is kept; the paper has none"


class FMNLinf(_FMN):
    """The smallest linf distortion.

    Signs, for the corners of the cube are where its minima are, and momentum against their chatter.
    """

    norm: ClassVar[Norm] = Norm.LINF

    direction: Literal["l2", "sign"] = Field("sign", description=DIRECTION)
    relative: bool = Field(True, description=RELATIVE)
    step_size: float = Field(0.5, gt=0, description=STEP_SIZE)
    momentum: float = Field(0.75, ge=0, lt=1, description=MOMENTUM)


class FMNL2(_FMN):
    """The smallest l2 distortion."""

    norm: ClassVar[Norm] = Norm.L2

    direction: Literal["l2", "sign"] = Field("l2", description=DIRECTION)
    relative: bool = Field(True, description=RELATIVE)
    step_size: float = Field(0.5, gt=0, description=STEP_SIZE)
    momentum: float = Field(0.0, ge=0, lt=1, description=MOMENTUM)


class FMNL1(_FMN):
    """The smallest l1 distortion.

    Long steps, for its minima are sparse, and momentum, for those overshoot on photographs.
    """

    norm: ClassVar[Norm] = Norm.L1

    direction: Literal["l2", "sign"] = Field("l2", description=DIRECTION)
    relative: bool = Field(True, description=RELATIVE)
    step_size: float = Field(0.2, gt=0, description=STEP_SIZE)
    momentum: float = Field(0.75, ge=0, lt=1, description=MOMENTUM)


class FMNL0(_FMN):
    """The fewest changed values; epsilon starts at 1 and moves by at least 1."""

    norm: ClassVar[Norm] = Norm.L0

    direction: Literal["l2", "sign"] = Field("l2", description=DIRECTION)
    relative: bool = Field(False, description=RELATIVE)
    step_size: float = Field(1.0, gt=0, description=STEP_SIZE)
    momentum: float = Field(0.0, ge=0, lt=1, description=MOMENTUM)
