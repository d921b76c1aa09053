"""What torchattack says of its attacks: their signatures, and which have no budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.api import Norm
from harness_foreign.attack import imported
from harness_foreign.entry import Entry
from harness_foreign.listing import LABELS, by_norm, draws, goals, parameters

LEFT_OUT: dict[str, str] = {}
_NORMS = {"l2": Norm.L2, "l1": Norm.L1, "linf": Norm.LINF}


def entries() -> Iterator[Entry]:
    from torchattack import ATTACK_REGISTRY

    for name, kind in ATTACK_REGISTRY.items():
        call = f"torchattack:{name}"
        given = parameters(call)
        known: dict[str, Any] = {
            "call": call,
            "budget": "eps" if "eps" in given else None,
            "stochastic": draws(imported(call)),
            **goals(targeted="targeted" in given),
        }
        if kind.is_category("GENERATIVE"):
            # Its own weights are never loaded: `GeneratorWeightsEnum.verify` returns nothing.
            known |= {"access": LABELS, "required": {"checkpoint_path": "str"}}
        if name == "GeoDA":
            yield from by_norm(name, _NORMS, "l2", "p", access=LABELS, **known)
        else:
            norm = Norm.L2 if name in ("PGDL2", "DeepFool") else Norm.LINF
            yield Entry(name, norm=norm, **known)
