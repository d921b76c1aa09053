"""ART's evasion attacks as the harness's."""

from __future__ import annotations

import inspect
import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

from harness_art import LIBRARY
from harness_foreign.attack import ForeignAttack, Problem, attack_class

if TYPE_CHECKING:
    from torch import Tensor


class ARTAttack(ForeignAttack):
    """ART takes numpy arrays, and the wanted class as one of all."""

    left_out = frozenset(
        {"classifier", "estimator", "targeted", "batch_size", "verbose", "summary_writer", "norm",
         "net_size", "parallel_pool_size", "attacker_params"}
    )  # fmt: skip
    probabilities: ClassVar[frozenset[str]] = frozenset({"SimBA", "VirtualAdversarialMethod"})
    """The attacks that refuse logits."""

    def attacked(self, problem: Problem) -> Tensor:
        import torch

        known = inspect.signature(type(self).call).parameters
        own: dict[str, Any] = {
            "targeted": problem.targeted,
            "batch_size": 1,
            "verbose": False,
            "net_size": tuple(problem.images.shape[2:]),
        }
        if self.entry.call.endswith(":UniversalPerturbation"):  # its DeepFool's; others take none
            own["attacker_params"] = {"verbose": False}
        given = {name: value for name, value in own.items() if name in known}
        attack = type(self).call(self._classifier(problem), **given, **self.settings())
        one_hot = torch.nn.functional.one_hot(problem.wanted, problem.classes).float()
        found = attack.generate(x=problem.images.cpu().numpy(), y=one_hot.cpu().numpy())
        return torch.from_numpy(found)

    def _classifier(self, problem: Problem) -> Any:
        import torch
        from art.estimators.classification import PyTorchClassifier

        from harness_art.network import Float32

        return PyTorchClassifier(
            Float32(problem.network, softmax=self.entry.name in self.probabilities),
            loss=torch.nn.CrossEntropyLoss(),
            input_shape=tuple(problem.images.shape[1:]),
            nb_classes=problem.classes,
            clip_values=(0.0, 1.0),
            device_type="gpu" if problem.device.type == "cuda" else "cpu",
        )


def _silence() -> None:
    """ART's progress bars, which attacks within attacks show whatever is asked of the outer one."""
    from tqdm import tqdm, trange

    quiet = {"tqdm": partial(tqdm, disable=True), "trange": partial(trange, disable=True)}
    for name, module in list(sys.modules.items()):
        if name.startswith("art."):
            vars(module).update({bar: quiet[bar] for bar in quiet if bar in vars(module)})


@cache
def __getattr__(name: str) -> type[ForeignAttack]:
    found = attack_class(ARTAttack, LIBRARY, name)
    _silence()
    return found
