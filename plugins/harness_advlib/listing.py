"""What adv-lib's functions are: their signatures, and the norms that these do not say."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from harness.api import Norm
from harness_advlib.attacks import without_visdom
from harness_foreign.attack import imported
from harness_foreign.entry import Entry
from harness_foreign.listing import NORMS, by_norm, draws, goals, parameters

LEFT_OUT: dict[str, str] = {}
_NORMS = {
    "carlini_wagner_linf": Norm.LINF,
    "pgd_linf": Norm.LINF,
    "pdgd": Norm.L2,
    "sigma_zero": Norm.L0,
    "fga": Norm.L0,
    "vfga": Norm.L0,
}
_THREE = (1, 2, "inf")
_CHOICES = {
    "apgd": ("norm", _THREE, None),
    "apgd_targeted": ("norm", _THREE, None),
    "fab": ("norm", _THREE, None),
    "fmn": ("norm", (0, 1, 2, "inf"), None),
    "pdpgd": ("norm", (0, 1, 2, "inf"), None),
    "df": ("norm", (2, "inf"), 2),
    "tr": ("p", (2, "inf"), 2),
}
_UNTARGETED = ("apgd_targeted", "df", "fab", "sdf", "sigma_zero", "tr")
_BUDGETS = {"apgd": "eps", "apgd_targeted": "eps", "pgd_linf": "epsilon"}
_REQUIRED = {"apgd": "eps", "apgd_targeted": "eps", "pgd_linf": "ε"}


def entries() -> Iterator[Entry]:
    with without_visdom():
        import adv_lib.attacks

    for name, call in vars(adv_lib.attacks).items():
        if not inspect.isfunction(call):
            continue
        text = f"adv_lib.attacks:{name}"
        known: dict[str, Any] = {
            "call": text,
            "budget": _BUDGETS.get(name),
            "required": {_REQUIRED[name]: "float"} if name in _REQUIRED else {},
            "stochastic": draws(imported(text)),
            **goals(targeted="targeted" in parameters(text) and name not in _UNTARGETED),
        }
        if name == "alma":
            distances = {"l2": Norm.L2, "l1": Norm.L1}
            yield from by_norm(name, distances, "l2", "distance", **known)
        elif name in _CHOICES:
            argument, values, usual = _CHOICES[name]
            yield from by_norm(
                name, {value: NORMS[value] for value in values}, usual, argument, **known
            )
        else:
            yield Entry(name, norm=_NORMS.get(name, Norm.L2), **known)
