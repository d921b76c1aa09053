"""What functions and classes are called: a plugin that puts others in their place is found out.

The judge, the models and the harness's own modules look names up when they use them. So whoever
replaces ``torch.argmax`` or a function of ours decides about verdicts, until it is put back.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Iterator, Mapping
from operator import is_
from typing import Any

import numpy as np
import torch

from harness.engine.tracing import TRACING

OWN = ("harness.engine", "harness.api", "harness.contained", "harness.execute.worker")
"""Our modules between a plugin's value and a verdict, with those below them."""
CLASSES = (
    "harness.engine.classifier.PixelClassifier",
    "harness.engine.classifier.PixelSpace",
    "harness.engine.kept.KeptModel",
    "harness.engine.guard.Guard",
    "harness.api.records.Outcome",
    "harness.api.records.Verdict",
)
"""Our classes whose methods are looked at."""


_all, _map, _len, _put = all, map, len, setattr
"""As they are before any plugin is at work."""


class Names:
    """The names of `torch`, its layers, `numpy`, `math`, Python and ours, as they are now.

    Further names of modules do no harm, unless one hides a name of Python's or of a base class.
    """

    def __init__(self) -> None:
        self._owners = [_Owner(*each) for each in _owners()]
        self._modules = _our_modules()

    @classmethod
    def now(cls) -> Names:
        """Those of the last time, where they still hold: that is found out sooner."""
        global _last
        with TRACING:
            known = _last
            if known is None or not known._hold():
                known = _last = cls()
        return known

    def put_back(self) -> list[str]:
        """Put back what is not as it was; what that is, in words."""
        with TRACING:
            found = [name for owner in self._owners for name in owner.put_back()]
        for name, module in self._modules.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                found.append(f"the module {name}")
        return found

    def _hold(self) -> bool:
        same = all(owner.is_unchanged for owner in self._owners)
        return same and self._modules == _our_modules()


_last: Names | None = None


class _Owner:
    """A module or a class, and what its names stand for."""

    def __init__(self, title: str, owner: Any, values: Mapping[str, Any]) -> None:
        self._title, self._owner, self._space = title, owner, vars(owner)
        self._before = dict(values)
        self._names, self._values = tuple(values), tuple(values.values())
        self._all = frozenset(self._space)
        self._size = len(self._space)

    @property
    def is_unchanged(self) -> bool:
        return _len(self._space) == self._size and self._holds

    @property
    def _holds(self) -> bool:
        return _all(_map(is_, _map(self._space.get, self._names), self._values))

    def put_back(self) -> Iterator[str]:
        space = self._space
        if not self._holds:
            for name, value in self._before.items():
                now = space.get(name)
                if now is not value and not _same_for_torch(now, value):
                    _put(self._owner, name, value)
                    yield f"{self._title}.{name}"
        if _len(space) != self._size:
            added = [name for name in dict(space) if name not in self._all]
            for name in filter(self._hides, added):
                delattr(self._owner, name)
                yield f"{self._title}.{name}"

    def _hides(self, name: str) -> bool:
        if isinstance(self._owner, type):
            return any(name in vars(base) for base in self._owner.__mro__[1:-1])
        return hasattr(builtins, name) and not name.startswith("__")


def _same_for_torch(now: Any, before: Any) -> bool:
    """Whether torch itself has wrapped it: its compiler, which the first optimiser loads, does that
    to ``torch.manual_seed``."""
    wrapped = getattr(now, "__wrapped__", None) is before
    return wrapped and getattr(now, "__globals__", {}).get("__name__") == "torch._compile"


def _owners() -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Each module and class with its title and the values that are looked at."""
    # Python's come first: what puts the others back calls them.
    libraries: dict[str, Any] = {"builtins": builtins}
    libraries |= {"torch": torch, "torch.nn.functional": torch.nn.functional}
    libraries |= {"torch.autograd": torch.autograd, "torch.nn": torch.nn}
    libraries |= {"numpy": np, "math": math}
    for title, module in libraries.items():
        yield title, module, _called(vars(module))
    yield "torch.Tensor", torch.Tensor, dict(vars(torch.Tensor))
    yield "torch.nn.Module", torch.nn.Module, dict(vars(torch.nn.Module))
    for name, layer in dict(vars(torch.nn)).items():
        if isinstance(layer, type) and "forward" in vars(layer):
            yield f"torch.nn.{name}", layer, {"forward": vars(layer)["forward"]}
    for name, module in sys.modules.copy().items():
        if name.startswith(OWN):
            yield name, module, _own(module)
    for place in CLASSES:
        name, _, attribute = place.rpartition(".")
        found = sys.modules.get(name)
        if found is not None and (made := vars(found).get(attribute)):
            yield place, made, dict(vars(made))


def _called(space: Mapping[str, Any]) -> dict[str, Any]:
    """Public functions and classes."""
    found = dict(space).items()  # of threads that import, none may add to it meanwhile
    return {name: value for name, value in found if name[0] != "_" and callable(value)}


def _own(module: Any) -> dict[str, Any]:
    found = dict(vars(module)).items()
    return {name: value for name, value in found if not name.startswith("__") and name != "_last"}


def _our_modules() -> dict[str, Any]:
    found = sys.modules.copy().items()  # a copy takes no step in which others could import
    return {name: each for name, each in found if name == "harness" or name.startswith("harness.")}
