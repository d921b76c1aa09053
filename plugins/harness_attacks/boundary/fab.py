"""The fast adaptive boundary attack (Croce & Hein 2020, arXiv 1907.02044) in three norms."""

from __future__ import annotations

from typing import ClassVar

from harness.api import Norm, Slots, Stepper
from harness_attacks.boundary.parameters import AdaptiveBoundary


class FAB(AdaptiveBoundary):
    """Algorithm 1, and the final search of equation 12."""

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.boundary.fab_stepper import FABStepper

        return FABStepper(slots, self)


class FABLinf(FAB):
    """FAB in linf."""

    norm: ClassVar[Norm] = Norm.LINF


class FABL2(FAB):
    """FAB in l2."""

    norm: ClassVar[Norm] = Norm.L2


class FABL1(FAB):
    """FAB in l1."""

    norm: ClassVar[Norm] = Norm.L1
