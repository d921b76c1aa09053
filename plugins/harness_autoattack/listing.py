"""AutoAttack's parts, as its classes, and its versions; each in three norms."""

from __future__ import annotations

from collections.abc import Iterator

from harness.api import Norm
from harness_foreign.entry import UNTARGETED, Entry
from harness_foreign.listing import SCORES, by_norm

LEFT_OUT: dict[str, str] = {}
_THREE = {"Linf": Norm.LINF, "L2": Norm.L2, "L1": Norm.L1}
_PARTS = {
    "apgd-ce": ("autopgd_base:APGDAttack", {"loss": "ce"}),
    "apgd-dlr": ("autopgd_base:APGDAttack", {"loss": "dlr"}),
    "apgd-t": ("autopgd_base:APGDAttack_targeted", {}),
    "fab": ("fab_pt:FABAttack_PT", {}),
    "fab-t": ("fab_pt:FABAttack_PT", {"targeted": True}),
}


def entries() -> Iterator[Entry]:
    required = {"eps": "float"}
    for name, (call, fixed) in _PARTS.items():
        yield from by_norm(
            name, _THREE, "Linf", call=f"pyautoattack.{call}", fixed=fixed, goals=UNTARGETED,
            budget="eps", required=required,
        )  # fmt: skip
    yield from by_norm(
        "square", _THREE, "Linf", call="pyautoattack.square:SquareAttack", budget="eps",
        required=required, access=SCORES,
    )  # fmt: skip
    for version in ("standard", "plus", "rand"):
        yield from by_norm(
            version, _THREE, "Linf", call="pyautoattack:AutoAttack", fixed={"version": version},
            goals=UNTARGETED, budget="eps",
        )  # fmt: skip
