"""AutoAttack (Croce & Hein 2020b, arXiv 2003.01690), version standard: members and settings.

In linf and l2 APGD on the cross-entropy, targeted APGD on the DLR loss, FAB-T, and Square. In l1
(Croce & Hein 2021, section 5) APGD starts in larger balls; its Square for l1 is not among the
attacks here, so that the l1 version has the first three members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from harness.api import AttackParameters, CompositeAttack, Goal, Norm
from harness_attacks.ascent.apgd import APGD, APGDL1, APGDL2, APGDLinf
from harness_attacks.boundary.fab import FAB, FABL1, FABL2, FABLinf
from harness_attacks.orders import Order
from harness_attacks.square.parameters import SquareL2, SquareLinf


class AutoAttack(CompositeAttack):
    """Attacks without a parameter to tune, in order; an image leaves when one breaks it."""

    default_goals: ClassVar[tuple[Goal, ...]] = (Goal.UNTARGETED,)
    stochastic: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"standard": {"targets": "logits"}}
    apgd: ClassVar[type[APGD]]
    fab: ClassVar[type[FAB]]

    epsilon: float
    steps: int = Field(100, ge=1, description="steps of an ascent of APGD and of a run of FAB")
    restarts: int = Field(1, ge=1, description="starts of APGD on the cross-entropy")
    target_classes: int = Field(9, ge=1, description="classes that targeted APGD tries")
    targets: Order = "malt"
    fab_classes: int = Field(9, ge=1, description="classes that FAB tries")

    @property
    def budget(self) -> float:
        return self.epsilon

    def members(self) -> tuple[AttackParameters, ...]:
        size, steps = self.epsilon, self.steps
        classes, first = self.target_classes, self.targets
        targeted = {"loss": "targeted-dlr", "target_classes": classes, "targets": first}
        return (
            self.apgd(epsilon=size, steps=steps, restarts=self.restarts),
            self.apgd(epsilon=size, steps=steps, **targeted),
            self.fab(
                epsilon=size,
                iterations=steps,
                variant="fab-t",
                classes=self.fab_classes,
                targets=first,
            ),
        )


class _WithSquare(AutoAttack):
    """The fourth member, for what gradients do not show."""

    square: ClassVar[type[SquareLinf | SquareL2]]

    queries: int = Field(5000, ge=1, description="queries of Square")

    def members(self) -> tuple[AttackParameters, ...]:
        return (*super().members(), self.square(epsilon=self.epsilon, queries=self.queries))


class AutoAttackLinf(_WithSquare):
    """AutoAttack in linf."""

    norm: ClassVar[Norm] = Norm.LINF
    apgd: ClassVar[type[APGD]] = APGDLinf
    fab: ClassVar[type[FAB]] = FABLinf
    square: ClassVar[type[SquareLinf | SquareL2]] = SquareLinf

    epsilon: float = Field(8 / 255, gt=0, description="radius of the linf ball")


class AutoAttackL2(_WithSquare):
    """AutoAttack in l2."""

    norm: ClassVar[Norm] = Norm.L2
    apgd: ClassVar[type[APGD]] = APGDL2
    fab: ClassVar[type[FAB]] = FABL2
    square: ClassVar[type[SquareLinf | SquareL2]] = SquareL2

    epsilon: float = Field(0.5, gt=0, description="radius of the l2 ball")


class AutoAttackL1(AutoAttack):
    """AutoAttack in l1, without Square."""

    norm: ClassVar[Norm] = Norm.L1
    apgd: ClassVar[type[APGD]] = APGDL1
    fab: ClassVar[type[FAB]] = FABL1

    epsilon: float = Field(12.0, gt=0, description="radius of the l1 ball")
    restarts: int = Field(5, ge=1, description="starts of APGD on the cross-entropy")
    target_classes: int = Field(5, ge=1, description="classes that targeted APGD tries")
