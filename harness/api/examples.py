"""Examples: how the conformance suite makes a component that needs more than its defaults.

A plugin module names where its examples are, ``HARNESS_EXAMPLES = "acme.examples:EXAMPLES"``: a
mapping of ``KIND:NAME``, such as ``attack:acme-noise``, to an example, to a function that makes one
in an empty folder, or to a list of such. It is imported by nobody but `harness.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackExample:
    """An attack that takes little time.

    Attributes:
        parameters: as a suite would give them.
        tolerance: how far from a linear model's closed form it may end, as a share: with 0.1 it
            finds distortions at most a tenth above the smallest one, or, within a budget, succeeds
            wherever 0.9 of the budget is enough. None: that is not checked.
        looks: how often it may call `harness.api.look` in a round, or in a call of ``perturb``.
        on_gpu: parameters to replace on the GPU that is only played, where every operation takes a
            millisecond: fewer steps, for example.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float | None = None
    looks: int = 0
    on_gpu: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementExample:
    """A measurement that takes little time, with ``parameters`` as a suite would give them."""

    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelExample:
    """A model for a loader.

    Attributes:
        entry: as a registry would spell it, without ``loader`` and ``family``; a small model at a
            small size. A weight file that the loader does not find itself is ``weights.file``.
    """

    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetExample:
    """A dataset for a reader: a few images.

    Attributes:
        root: where they are, for readers that need a place.
        classes: how many the registry would say there are; None: as many as the reader says.
        size: (height, width) that they are read at.
        damage: spoils the source of one image and returns its id; None: that cannot be done.
    """

    root: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    classes: int | None = None
    size: tuple[int, int] = (32, 32)
    damage: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorExample:
    """An executor that can be started here.

    Attributes:
        processes: whether its workers are processes of their own, on this host.
    """

    processes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverExample:
    """An observer with ``options``, as ``--observe NAME:option=value`` gives them."""

    options: Mapping[str, str] = field(default_factory=dict)


Example = (
    AttackExample
    | MeasurementExample
    | ModelExample
    | DatasetExample
    | ExecutorExample
    | ObserverExample
)
"""Of any kind of component."""
MakesExample = Callable[[Path], Example]
"""Makes an example with files in an empty folder, which exists as long as they are needed."""
Examples = Mapping[str, Example | MakesExample | Sequence[Example | MakesExample]]
"""What ``HARNESS_EXAMPLES`` names, by ``KIND:NAME``."""
