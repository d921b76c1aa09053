"""torchattack's attacks as the harness's."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from harness_foreign.attack import ForeignAttack, Problem, attack_class
from harness_torchattack import LIBRARY

if TYPE_CHECKING:
    from torch import Tensor


class TorchattackAttack(ForeignAttack):
    """Those that hook layers of a network find none: the harness shows the model as one piece."""

    left_out = frozenset({"model", "device", "clip_min", "clip_max", "targeted", "input_shape"})

    def attacked(self, problem: Problem) -> Tensor:
        known = inspect.signature(type(self).call).parameters
        own: dict[str, Any] = {
            "model": problem.network,
            "device": problem.device,
            "targeted": problem.targeted,
            "input_shape": tuple(problem.images.shape[1:]),
        }
        if self.entry.name == "Admix":  # DeepFool's are how many it looks at
            own["num_classes"] = problem.classes
        given = {name: value for name, value in own.items() if name in known}
        attack = type(self).call(**self.settings() | given)
        if hasattr(attack, "sub_basis_path"):  # GeoDA keeps a table in its own package
            attack.sub_basis_path = str(Path(gettempdir()) / Path(attack.sub_basis_path).name)
        result: Tensor = attack(problem.images, problem.wanted)
        return result


@cache
def __getattr__(name: str) -> type[ForeignAttack]:
    return attack_class(TorchattackAttack, LIBRARY, name)
