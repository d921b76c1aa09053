"""What torchattacks says of its attacks: whether they take targets; their norms by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.api import Norm
from harness_foreign.attack import imported
from harness_foreign.entry import Entry
from harness_foreign.listing import LABELS, SCORES, by_norm, draws, goals, parameters

LEFT_OUT = {
    "MultiAttack": "runs attacks that are given to it",
    "LGV": "trains the network on data that are given to it",
}
_NORMS = {
    Norm.L2: ("CW", "PGDL2", "PGDRSL2", "DeepFool", "GN", "VANILA"),
    Norm.L1: ("EADL1", "EADEN"),
    Norm.L0: ("SparseFool", "OnePixel", "Pixle", "JSMA"),
}
_ACCESS = {"OnePixel": SCORES, "Pixle": SCORES, "Square": SCORES, "SPSA": SCORES,
           "GN": LABELS, "VANILA": LABELS}  # fmt: skip
_BUDGETS = ("eps", "max_epsilon")
_BOTH = {"Linf": Norm.LINF, "L2": Norm.L2}


def entries() -> Iterator[Entry]:
    import torchattacks

    for name in torchattacks.__all__:
        if name in LEFT_OUT:
            continue
        call = f"torchattacks:{name}"
        known: dict[str, Any] = {
            "call": call,
            "budget": next((own for own in _BUDGETS if own in parameters(call)), None),
            "stochastic": draws(imported(call)) or name == "AutoAttack",
            **({"access": _ACCESS[name]} if name in _ACCESS else {}),
            **goals(targeted=_targeted(name)),
        }
        if "norm" in parameters(call):
            norms = _BOTH | ({"L1": Norm.L1} if name == "FAB" else {})
            yield from by_norm(name, norms, "Linf", **known)
        else:
            norm = next((norm for norm, names in _NORMS.items() if name in names), Norm.LINF)
            yield Entry(name, norm=norm, **known)


def _targeted(name: str) -> bool:
    """Whether it takes target classes: it says so once there is a network."""
    import torch
    import torchattacks

    if name == "FAB":
        return False  # it says so, and takes the target for the true class
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    return "targeted" in getattr(torchattacks, name)(network).supported_mode
