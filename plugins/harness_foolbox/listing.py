"""What foolbox says of its attacks: distance, whether an epsilon is given, the criteria taken."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

from harness.api import Norm
from harness_foreign.entry import Entry
from harness_foreign.listing import LABELS, SCORES, draws, goals

LEFT_OUT = {
    "DatasetAttack": "needs other images of the dataset, which it copies",
    "BinarizationRefinementAttack": "refines the result of another attack",
}
_LABELS = (
    "Noise", "Contrast", "Inversion", "Blur", "Spatial", "Boundary", "HopSkipJump", "Pointwise",
)  # fmt: skip
_UNTARGETED = ("L2DeepFoolAttack", "LinfDeepFoolAttack")
"""They take any criterion, and go to the nearest classes all the same."""
_OTHER_NORMS = {"PointwiseAttack": Norm.L0, "SaltAndPepperNoiseAttack": Norm.L0,
                "HopSkipJumpAttack": Norm.L2}  # fmt: skip


def entries() -> Iterator[Entry]:
    import foolbox

    attacks = vars(foolbox.attacks)
    for name, kind in attacks.items():
        if not _is_attack(kind) or kind.__name__ in LEFT_OUT:
            continue
        fixed = issubclass(kind, foolbox.attacks.base.FixedEpsilonAttack)
        access = {}
        if any(part in kind.__name__ for part in _LABELS):
            access = {"access": LABELS}
        if kind.__name__ == "GenAttack":
            access = {"access": SCORES}
        known: dict[str, Any] = {
            "call": f"foolbox.attacks:{kind.__name__}",
            "budget": "epsilon" if fixed else None,
            "stochastic": draws(kind),
            **access,
            **_goals(kind),
        }
        yield Entry(name, norm=_norm(kind), **known)
        if name == "HopSkipJumpAttack":
            yield Entry(f"{name}-linf", norm=Norm.LINF, fixed={"constraint": "linf"}, **known)


def _is_attack(kind: Any) -> bool:
    import foolbox

    return (
        inspect.isclass(kind)
        and issubclass(kind, foolbox.attacks.Attack)
        and not inspect.isabstract(kind)
    )


def _norm(kind: Any) -> Norm:
    """What it measures distances in; L2 where any distance may be given."""
    import foolbox

    if kind.__name__ in _OTHER_NORMS:
        return _OTHER_NORMS[kind.__name__]
    distance = getattr(kind, "distance", None)
    if isinstance(distance, property):
        name = kind.__name__
        return Norm.LINF if name.startswith("Linf") else Norm.L2
    if not isinstance(distance, foolbox.distances.LpDistance):
        return Norm.L2
    return {0: Norm.L0, 1: Norm.L1, 2: Norm.L2, float("inf"): Norm.LINF}[distance.p]


def _goals(kind: Any) -> dict[str, Any]:
    """Whether it refuses a criterion, on a linear model; what else it raises is not asked."""
    import foolbox
    import torch

    if kind.__name__ in _UNTARGETED:
        return goals(targeted=False)
    if kind.__name__.endswith("BrendelBethgeAttack"):  # they take both, and a minute to compile
        return {}
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3)).eval()
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    images = torch.rand(1, 3, 4, 4)
    label = network(images).argmax(1)
    criteria = foolbox.criteria
    given = inspect.signature(kind).parameters
    small = {"steps": 1, "repeats": 1, "binary_search_steps": 1, "directions": 1,
             "distance": foolbox.distances.l2, "channel_axis": 1, "grid_search": False,
             "random_steps": 1, "max_gradient_eval_steps": 2}  # fmt: skip
    taken = []
    for criterion in (
        criteria.Misclassification(label),
        criteria.TargetedMisclassification((label + 1) % 3),
    ):
        attack = kind(**{name: value for name, value in small.items() if name in given})
        fixed = isinstance(attack, foolbox.attacks.base.FixedEpsilonAttack)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                attack.run(model, images, criterion, **({"epsilon": 0.5} if fixed else {}))
        except (ValueError, AssertionError, IndexError) as error:
            taken.append("criterion" not in str(error))
        else:
            taken.append(True)
    return goals(untargeted=taken[0], targeted=taken[1])
