"""What a dataset's list gives a suite's tasks: which images, and the targets of goal random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.api import AttackParameters, Dataset, Goal, ImageList, Measurement
from harness.identity import tagged_hash
from harness.planning import PlannedAttack, PlannedMeasurement
from harness.plugins import unknown
from harness.registry import SuiteEntry

TARGETS = "targets"
"""Where a task's identity has the hash of its given targets."""


@dataclass(frozen=True, slots=True)
class Given:
    """A list, for tasks on it.

    Attributes:
        images: how many of the run's images it has, the first ones.
        targets: of goal random, by image id; empty: they are drawn.
    """

    images: int
    targets: Mapping[str, int]


_Planned = TypeVar("_Planned", PlannedAttack, PlannedMeasurement)
_Instance = TypeVar("_Instance", AttackParameters, Measurement)


def list_of(suite: SuiteEntry, dataset: Dataset, *, replaced: bool) -> ImageList | None:
    """The list that ``suite`` names; None: it names none.

    Args:
        replaced: whether the dataset takes the place of the suite's own. Where it lacks the list,
            images and targets are those of a suite that names none.

    Raises:
        ConfigError: the suite's own dataset has no such list.
    """
    name = suite.image_list
    if name is None:
        return None
    lists = dataset.lists()
    if name not in lists and not replaced:
        where = f"{suite.source}: suites.{suite.name}, dataset {dataset.spec.name}"
        raise unknown("list of images", name, lists, where, listed=True)
    return lists.get(name)


def aimed(
    task: tuple[_Planned, _Instance], given: Given | None
) -> list[tuple[_Planned, _Instance]]:
    """The task on the list's images, apart for the goal whose targets it gives; None: as it is.

    Results of the other goals do not depend on the targets: they keep their keys.
    """
    planned, instance = task
    if given is None:
        return [task]
    most = given.images if planned.images is None else min(planned.images, given.images)
    planned = replace(planned, images=most)
    if not given.targets or Goal.RANDOM not in planned.goals:
        return [(planned, instance)]
    digest = tagged_hash(TARGETS, dict(given.targets))
    identity = {**planned.component.identity, TARGETS: digest}
    component = replace(planned.component, identity=identity)
    targets = dict(given.targets)
    random = replace(planned, component=component, goals=(Goal.RANDOM,), targets=targets)
    found: list[tuple[_Planned, _Instance]] = [(random, instance)]
    if others := tuple(goal for goal in planned.goals if goal is not Goal.RANDOM):
        found.append((replace(planned, goals=others), instance))
    return found


def given_label(label: str, task: PlannedAttack | PlannedMeasurement) -> str:
    """``label``, which says where the targets are given."""
    return f"{label} targets=given" if task.targets else label
