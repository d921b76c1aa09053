"""A suite as a run stores it, for leaderboards and reports: JSON, also of older versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, TypedDict

Kind = Literal["attack", "measurement"]

Numerics = Literal["fp32", "tf32", "bf16"]
"""What gradients are computed in; verdicts are in IEEE fp32 whatever it says."""


class TaskDefinition(TypedDict):
    """A measurement of the suite; ``label`` tells it apart from others of its name.

    Attributes:
        preset: the one that it was asked for by; the label has it too.
        budget_passes: the most forward and backward passes of an image, where there is a bound.
        targets: the hash of the given targets of goal random, where they are not drawn.
        ad_hoc: whether the run's command names it, and not the suite.
    """

    name: str
    label: str
    goals: list[str]
    parameters: NotRequired[Mapping[str, Any]]
    preset: NotRequired[str]
    budget_passes: NotRequired[int]
    targets: NotRequired[str]
    ad_hoc: NotRequired[bool]


class AttackDefinition(TaskDefinition):
    """An attack; without a budget it minimises the distortion."""

    norm: str
    budget: float | None


class TransferDefinition(TypedDict):
    """See `harness.planning.PlannedTransfer`."""

    border: Literal["white", "grey"]
    keep_sets: bool


class Definition(TypedDict):
    """The suite, whatever of it the run was asked for.

    Attributes:
        models: all names of the leaderboard.
        images, accuracy_images: None: all.
        numerics: of the gradients; fp32 where a run of an older version is silent.
    """

    name: str
    dataset: str
    models: list[str]
    attacks: list[AttackDefinition]
    measurements: NotRequired[list[TaskDefinition]]
    metrics: NotRequired[list[str]]
    images: int | None
    accuracy_images: int | None
    transfer: NotRequired[TransferDefinition | None]
    numerics: NotRequired[Numerics]
    seed: int


def tasks(
    definition: Definition,
) -> Iterator[tuple[Literal["attack", "measurement"], TaskDefinition]]:
    """All attacks, then all measurements."""
    for attack in definition["attacks"]:
        yield "attack", attack
    for measurement in definition.get("measurements", ()):
        yield "measurement", measurement
