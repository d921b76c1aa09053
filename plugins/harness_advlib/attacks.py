"""adv-lib's attacks as the harness's."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from harness_advlib import LIBRARY
from harness_foreign.attack import ForeignAttack, Problem, attack_class

if TYPE_CHECKING:
    from torch import Tensor


class AdvLibAttack(ForeignAttack):
    """adv-lib's functions: targets where targeted, else the true classes."""

    left_out = frozenset(
        {"model", "inputs", "images", "labels", "targeted", "num_classes", "callback",
         "return_unsuccessful", "return_targets", "starting_points", "large_memory"}
    )  # fmt: skip

    def attacked(self, problem: Problem) -> Tensor:
        own: dict[str, Any] = {"targeted": problem.targeted, "num_classes": problem.classes}
        known = inspect.signature(type(self).call).parameters
        given = {name: value for name, value in own.items() if name in known}
        result: Tensor = type(self).call(
            problem.network, problem.images, problem.wanted, **given, **self.settings()
        )
        return result


@contextmanager
def without_visdom() -> Iterator[None]:
    """adv-lib imports visdom for its plots, which not everybody can install; nothing here plots."""
    missing = importlib.util.find_spec("visdom") is None
    if missing:
        sys.modules["visdom"] = type(sys)("visdom")
    try:
        yield
    finally:
        if missing:
            del sys.modules["visdom"]


@cache
def __getattr__(name: str) -> type[ForeignAttack]:
    with without_visdom():
        return attack_class(AdvLibAttack, LIBRARY, name)
