"""How the tables are made: what the libraries themselves say of their attacks. Imports them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.api import Access, Norm
from harness_foreign.attack import imported
from harness_foreign.entry import TARGETED, UNTARGETED, Entry

_DRAWS = re.compile(
    r"\brandn?\b|rand_like|randn_like|randint|randperm|shuffle|choice|uniform|\bnormal_?\b"
    r"|permutation|\brandom\.|init_attack"
)

LABELS, SCORES = Access.LABELS, Access.SCORES
NORMS = {1: Norm.L1, 2: Norm.L2, "inf": Norm.LINF, 0: Norm.L0}


def draws(call: Any) -> bool:
    """Whether random numbers are drawn where ``call`` is written, or the classes that it is of."""
    package = call.__module__.partition(".")[0]
    parts = call.__mro__ if inspect.isclass(call) else (call,)
    files = {part.__module__ for part in parts if part.__module__.startswith(package)}
    return any(_DRAWS.search(inspect.getsource(inspect.getmodule(part)))  # type: ignore[arg-type]
               for part in parts if part.__module__ in files)  # fmt: skip


def goals(*, targeted: bool, untargeted: bool = True) -> dict[str, Any]:
    """The argument of `Entry` where not all goals can be pursued."""
    if targeted and untargeted:
        return {}
    return {"goals": TARGETED if targeted else UNTARGETED}


def by_norm(
    name: str, norms: Mapping[Any, Norm], usual: Any, argument: str = "norm", **known: Any
) -> Iterator[Entry]:
    """One entry for each norm that a parameter chooses: ``NAME`` with the library's default, and
    ``NAME-l2`` and the like; without a default all have their norm in the name."""
    fixed = known.pop("fixed", {})
    for value, norm in norms.items():
        own = name if value == usual else f"{name}-{norm}"
        yield Entry(own, norm=norm, fixed={argument: value, **fixed}, **known)


def parameters(call: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of ``module:name``."""
    return inspect.signature(imported(call)).parameters
