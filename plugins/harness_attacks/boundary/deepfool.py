"""DeepFool (Moosavi-Dezfooli, Fawzi & Frossard 2016, arXiv 1511.04599) in l2 and linf."""

from __future__ import annotations

from typing import ClassVar

from harness.api import Norm, Slots, Stepper
from harness_attacks.boundary.linearised import Linearised


class DeepFool(Linearised):
    """Algorithm 2: steps to the nearest linearised boundary until the goal is reached."""

    norm: ClassVar[Norm] = Norm.L2

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.boundary.deepfool_stepper import DeepFoolStepper

        return DeepFoolStepper(slots, self)


class DeepFoolLinf(DeepFool):
    """Its variant for the largest change of a pixel (section 3.3)."""

    norm: ClassVar[Norm] = Norm.LINF
