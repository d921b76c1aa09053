"""foolbox's attacks as the harness's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness_foolbox import LIBRARY
from harness_foreign.attack import ForeignAttack, Problem, attack_class
from harness_foreign.entry import Entry

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from torch import Tensor


class FoolboxAttack(ForeignAttack):
    """Its result is what ``attack(model, images, criterion, epsilons=...)`` calls clipped."""

    left_out = frozenset({"distance", "tensorboard", "channel_axis"})

    @classmethod
    def parameters(
        cls, entry: Entry, call: Callable[..., Any]
    ) -> Iterator[tuple[str, str, Any, FieldInfo]]:
        if entry.budget == "epsilon":
            text = f"radius of the {entry.norm} ball, which foolbox takes when it is called"
            yield "epsilon", "", float, Field(..., gt=0, description=text)
        yield from super().parameters(entry, call)

    def attacked(self, problem: Problem) -> Tensor:
        import foolbox

        model = foolbox.PyTorchModel(problem.network, bounds=(0, 1), device=problem.device)
        criterion: Any = foolbox.criteria.Misclassification(problem.labels)
        if problem.targeted:
            criterion = foolbox.criteria.TargetedMisclassification(problem.wanted)
        attack = type(self).call(**self.settings(), **self._further(foolbox))
        if self.budget is None:
            result: Tensor = attack.run(model, problem.images, criterion)
            return result
        result = attack.run(model, problem.images, criterion, epsilon=self.budget)
        return attack.distance.clip_perturbation(problem.images, result, self.budget)

    def _further(self, foolbox: Any) -> dict[str, Any]:
        """What foolbox has no default for: a distance where any will do, the axis of channels."""
        import inspect

        known = inspect.signature(type(self).call).parameters
        given = {"distance": getattr(foolbox.distances, self.norm.value), "channel_axis": 1}
        return {name: value for name, value in given.items() if name in known}


@cache
def __getattr__(name: str) -> type[ForeignAttack]:
    return attack_class(FoolboxAttack, LIBRARY, name)
