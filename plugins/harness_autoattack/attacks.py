"""AutoAttack's parts and versions as the harness's."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING

from harness_autoattack import LIBRARY
from harness_foreign.attack import ForeignAttack, Problem, attack_class

if TYPE_CHECKING:
    from torch import Tensor


class AutoAttack(ForeignAttack):
    """A version stops at the first part that breaks the image; a part works alone."""

    left_out = frozenset(
        {"model", "predict", "device", "seed", "verbose", "is_tf_model", "logger", "loss_fn",
         "attacks", "topk", "targeted"}
    )  # fmt: skip

    def attacked(self, problem: Problem) -> Tensor:
        given = {"device": problem.device, "seed": problem.seed}
        known = inspect.signature(type(self).call).parameters
        if problem.targeted:
            given["targeted"] = True
        attack = type(self).call(problem.network, **given, **self.settings())
        if "version" not in known:
            found: Tensor = attack.perturb(problem.images, problem.wanted)
            return found
        attack.verbose = False
        found, _ = attack.run_standard_evaluation(problem.images, problem.labels, batch_size=1)
        return found


@cache
def __getattr__(name: str) -> type[ForeignAttack]:
    return attack_class(AutoAttack, LIBRARY, name)
