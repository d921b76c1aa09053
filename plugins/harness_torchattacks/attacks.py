"""torchattacks' attacks as the harness's."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING

from harness_foreign.attack import ForeignAttack, Problem, attack_class
from harness_torchattacks import LIBRARY

if TYPE_CHECKING:
    from torch import Tensor


class TorchattacksAttack(ForeignAttack):
    """Seeds and numbers of classes are the image's and the model's."""

    left_out = frozenset({"model", "verbose", "seed", "n_classes"})

    def attacked(self, problem: Problem) -> Tensor:
        known = inspect.signature(type(self).call).parameters
        own = {"seed": problem.seed, "n_classes": problem.classes}
        given = {name: value for name, value in own.items() if name in known}
        attack = type(self).call(problem.network, **self.settings(), **given)
        if problem.targeted:
            attack.set_mode_targeted_by_label(quiet=True)
        result: Tensor = attack(problem.images, problem.wanted)
        return result


@cache
def __getattr__(name: str) -> type[ForeignAttack]:
    return attack_class(TorchattacksAttack, LIBRARY, name)
