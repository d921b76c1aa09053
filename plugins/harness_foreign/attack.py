"""The class behind a name such as ``foolbox:L2DeepFoolAttack``, made when it is asked for."""

from __future__ import annotations

import importlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.api import Attack, Batch, Target
from harness_foreign.entry import Entry
from harness_foreign.library import Library
from harness_foreign.signature import fields

if TYPE_CHECKING:
    import torch
    from pydantic.fields import FieldInfo
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Problem:
    """One image to attack, as libraries want it.

    Attributes:
        network: the model in pixel space; counts its passes.
        images: float32 (1, 3, height, width).
        labels: int64 (1,), the true class; ``wanted``: the target where ``targeted``, else it.
        classes: how many the model has.
        seed: of everything random.
    """

    network: nn.Module
    images: Tensor
    labels: Tensor
    wanted: Tensor
    targeted: bool
    classes: int
    seed: int

    @property
    def device(self) -> torch.device:
        return self.images.device


class ForeignAttack(Attack):
    """An attack of another library, one image at a time.

    Libraries stop when a batch's loss stalls, draw for all images together and search until every
    image is broken: only alone does an image's outcome depend on nothing else, and is every pass
    its own.
    """

    most_images: ClassVar[int | None] = 1
    entry: ClassVar[Entry]
    originals: ClassVar[Mapping[str, str]]
    """What the library calls each field."""
    call: ClassVar[Callable[..., Any]]
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Arguments that the adapter gives, or that are of no use here."""

    @classmethod
    def parameters(
        cls, entry: Entry, call: Callable[..., Any]
    ) -> Iterator[tuple[str, str, Any, FieldInfo]]:
        """The fields of ``entry``: see `harness_foreign.signature.fields`."""
        for name, original, kind, info in fields(
            call, cls.left_out | set(entry.fixed), entry.required
        ):
            if name == entry.budget:
                text = f"radius of the {entry.norm} ball"
                info = Field(info.default, ge=0, description=text)
            yield name, original, kind, info

    @property
    def budget(self) -> float | None:
        return getattr(self, self.entry.budget) if self.entry.budget else None

    @property
    def confidence(self) -> float:
        return float(getattr(self, "kappa", 0.0))

    def perturb(self, target: Target, batch: Batch) -> Tensor:
        import torch

        from harness_foreign.seeds import seeded

        problem = Problem(
            target.model(),
            batch.images.contiguous(),
            batch.labels,
            batch.classes,
            bool(batch.targeted[0]),
            target.classes,
            batch.seeds[0] % 2**31,
        )
        with seeded(problem.seed, problem.device), torch.enable_grad():
            found = self.attacked(problem)
        return found.detach().to(problem.device, torch.float32)

    @abstractmethod
    def attacked(self, problem: Problem) -> Tensor:
        """The library's result, of the images' shape."""

    def settings(self) -> dict[str, Any]:
        """The library's arguments: the hyper-parameters, and what the name stands for."""
        own = {original: getattr(self, name) for name, original in self.originals.items()}
        return own | {name: _number(value) for name, value in self.entry.fixed.items()}


def _number(value: Any) -> Any:
    return math.inf if value == "inf" else value


def attack_class(base: type[ForeignAttack], library: Library, name: str) -> type[ForeignAttack]:
    """The class of ``name``'s attack, with fields for what its signature has.

    Raises:
        AttributeError: the table has no such attack. ImportError: the installed version has none.
    """
    entry = None if name.startswith("_") else library.table().named(name)
    if entry is None:
        raise AttributeError(f"{library.prefix} has no attack {name!r}")
    call = imported(entry.call)
    if call is None:
        raise ImportError(
            f"{library.distribution} {library.version()} has no {entry.call}; "
            f"the table is of {library.table().version}"
        )
    found = list(base.parameters(entry, call))
    body: dict[str, Any] = {
        "__module__": f"{library.adapter}.attacks",
        "__qualname__": name,
        "__doc__": f"{entry.call.partition(':')[2]} of {library.distribution}.",
        "__annotations__": {field: kind for field, _, kind, _ in found},
        "entry": entry,
        "originals": {field: original for field, original, _, _ in found if original},
        "call": staticmethod(call),
        "norm": entry.norm,
        "goals": frozenset(entry.goals),
        "access": entry.access,
        "stochastic": entry.stochastic,
        **{field: info for field, _, _, info in found},
    }
    return type(base)(name, (base,), body)


def imported(call: str) -> Any:
    """What ``module:name`` stands for; None if there is no such name."""
    module, _, name = call.partition(":")
    return getattr(importlib.import_module(module), name, None)
