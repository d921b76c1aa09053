"""Models that were trained from several seeds: what of a number is the model's, what the seed's.

The leaderboard's intervals are over images, for the very weights that were attacked. Those here are
over images and training seeds: for the architecture and the training that the weights came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis.columns import Choice, Models, models_of
from harness.analysis.common import Common
from harness.analysis.placing import ranks
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.variance import Components, components
from harness.errors import ConfigError

Kind = Literal["robust accuracy", "distortion"]


@dataclass(frozen=True, slots=True)
class SeedGroup:
    """A model with the other training seeds of it.

    Attributes:
        models: their names, the first one's group is called after.
        accuracy: top-1; None without an image that all have a prediction for.
        robustness: robust accuracy, or the distance over the images that broke on all seeds; None
            without any.
        rank: by the mean of ``robustness``; equals share it.
    """

    name: str
    family: str | None
    models: tuple[str, ...]
    accuracy: Components | None
    robustness: Components | None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class SeedGroups:
    """The models of a trial by the model that they are seeds of, the most robust first.

    Attributes:
        alone: the models with one seed, which are left out.
        common: the only images that count; None: all.
    """

    trial: Trial
    kind: Kind
    rows: tuple[SeedGroup, ...]
    alone: tuple[str, ...]
    common: Common | None


def seed_groups(suite: SuiteResults, choice: Choice) -> SeedGroups:
    """The models of a suite that have results from several training seeds, by one attack and goal.

    Raises:
        ConfigError: there is no such attack or goal, or it says nothing at the budget, or no model
            has several seeds.
    """
    trial = choice.trial(suite)
    models = models_of(trial, choice)
    members: dict[str, list[str]] = {}
    for name, place in models.places.items():
        if place.status != "not run":
            members.setdefault(trial.model(name).seed_of or name, []).append(name)
    several = {name: tuple(each) for name, each in members.items() if len(each) > 1}
    if not several:
        raise ConfigError(
            f"no model of suite {trial.suite!r} has results from several training seeds",
            where="--seeds",
            hint="`seeds:` of a registry's model names its weights from other seeds",
        )
    groups = {name: _group(name, each, models) for name, each in several.items()}
    order = ranks({name: each.robustness.mean for name, each in groups.items() if each.robustness})
    rows = [replace(each, rank=order.get(name)) for name, each in groups.items()]
    return SeedGroups(
        trial=trial,
        kind="robust accuracy" if trial.attack.fixed else "distortion",
        rows=tuple(sorted(rows, key=lambda row: (row.rank or len(rows) + 1, row.name))),
        alone=tuple(name for each in members.values() if len(each) == 1 for name in each),
        common=models.common,
    )


def _group(name: str, members: tuple[str, ...], models: Models) -> SeedGroup:
    trial = models.trial
    numbers, right = [], []
    for member in members:
        attack = models.places[member].attack
        assert attack is not None
        numbers.append(attack.robust if trial.attack.fixed else attack.by_image)
        predictions = models.predictions[member].items()
        right.append({image: each for image, each in predictions if each is not None})
    return SeedGroup(
        name=name,
        family=models.entries[members[0]].family,
        models=members,
        accuracy=_components(right, rate=True),
        robustness=_components(numbers, rate=trial.attack.fixed),
    )


def _components(numbers: Sequence[Mapping[int, float]], *, rate: bool) -> Components | None:
    """Over the images that all have; the interval of a rate within [0, 1]."""
    import numpy as np

    shared = sorted(set.intersection(*(set(each) for each in numbers)))
    if not shared:
        return None
    found = components(np.array([[each[image] for image in shared] for each in numbers], float))
    if not rate or found.interval is None:
        return found
    low, high = found.interval
    return replace(found, interval=(max(0.0, low), min(1.0, high)))
