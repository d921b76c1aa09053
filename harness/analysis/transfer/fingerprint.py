"""Which family a model belongs to, judged by the adversarial examples that fool it.

Transfer is markedly stronger within a family (Su et al. 2018, section 4.4), so the labels that an
unknown model gives to other models' adversarial examples show which family it resembles. Its
profile is, for each panel and source, how many of the images fool it; each family predicts a
profile, and the families are ranked by the likelihood of the observed one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analysis.results import SuiteResults
from harness.analysis.transfer.matrix import View, matrices
from harness.analysis.transfer.panels import no_transfers
from harness.api.transfers import Border, TransferMatrix
from harness.errors import ConfigError
from harness.plugins import unknown

Profiles = Mapping[str, Mapping[tuple[int, str], tuple[int, int]]]
"""By target: for each (panel, source), the images that fool it and all images."""

Families = Mapping[str, str | None]

KIN = 1.0
"""The weight of the expectation from outside a family, as a number of targets' images."""

TEMPERATURES = tuple(2.0**power for power in range(-16, 11))  # ascending


@dataclass(frozen=True, slots=True)
class FamilyScore:
    """How well a family explains the model.

    Attributes:
        members: those that the expectation is from; never the model itself.
        log_likelihood: minus that of the first family, in nats.
        probability: the posterior one, from equal odds, at the calibrated temperature.
    """

    family: str
    members: int
    log_likelihood: float
    probability: float


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Each model of a suite taken as the unknown one.

    Attributes:
        right: models whose own family comes first.
        models: all with a profile and a family.
        ceiling: of them, those whose family has another member: no other can be right.
        wrong: the family that came first, of each model that could have been right.
    """

    right: int
    models: int
    ceiling: int
    wrong: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The families ranked for one model.

    Attributes:
        family: the model's own, where known; the ranking does not use it.
        panels: the attacks and goals of its profile.
        entries: pairs of panel and source in the profile.
    """

    suite: str
    model: str
    family: str | None
    panels: tuple[str, ...]
    entries: int
    border: Border
    temperature: float
    ranking: tuple[FamilyScore, ...]
    accuracy: LeaveOneOut


def fingerprint(suite: SuiteResults, model: str, *, border: Border | None = None) -> Fingerprint:
    """The families of a suite ranked for one of its models, seen as a black box.

    Raises:
        ConfigError: there is no such model, or there are no transfers to it.
    """
    found = matrices(suite, View(k=1, border=border))
    if not found:
        raise no_transfers(suite)
    families = {name: family for matrix in found for name, family in matrix.families.items()}
    if model not in families:
        raise unknown("model", model, families, where="MODEL", listed=True)
    seen = profiles(found)
    if model not in seen:
        raise ConfigError(f"no transfers to {model} are stored", hint="see `harness transfer`")
    likelihoods = log_likelihoods(seen, families, model)
    if not likelihoods:
        raise ConfigError("no other model with transfers has a family")
    temperature = calibrated(_without(seen, model), families)
    return Fingerprint(
        suite=suite.name,
        model=model,
        family=families[model],
        panels=tuple(f"{matrix.attack.label}, {matrix.goal}" for matrix in found),
        entries=len(seen[model]),
        border=found[0].border,
        temperature=temperature,
        ranking=ranked(likelihoods, _members(seen, families, model), temperature),
        accuracy=leave_one_out(seen, families),
    )


def profiles(found: Iterable[TransferMatrix]) -> Profiles:
    """Each model's profile; the diagonal is no transfer, and a pair without images no entry."""
    seen: dict[str, dict[tuple[int, str], tuple[int, int]]] = {}
    for panel, matrix in enumerate(found):
        for (source, target), cell in matrix.cells.items():
            if source != target and cell.rate.images:
                seen.setdefault(target, {})[panel, source] = (cell.rate.hits, cell.rate.images)
    return seen


def log_likelihoods(seen: Profiles, families: Families, model: str) -> dict[str, float]:
    """By family, the mean log-likelihood of the entries of a model's profile.

    An entry's is binomial, its rate that of the family's other members on the same source and
    panel, leaving out the source. The mean, not the sum: all entries are of the same images, so
    they are not independent; `calibrated` finds how much evidence they are together.
    """
    sums = dict.fromkeys(_members(seen, families, model), 0.0)
    among_kin = _among_kin(seen, families, model)
    for entry, (hits, images) in seen[model].items():
        panel, source = entry
        others = {
            target: profile[entry]
            for target, profile in seen.items()
            if target not in (model, source) and entry in profile
        }
        across = _pooled(
            count
            for target, count in others.items()
            if families[target] is None or families[target] != families[source]
        )
        for family in sums:
            # A source of the family itself has the rate among relatives of all families, so a
            # family with no other member left is judged too.
            prior = _pooled(among_kin.get(panel, ())) if families[source] == family else across
            mine = [count for target, count in others.items() if families[target] == family]
            rate = _pooled(mine, prior=prior, weight=KIN * images)
            sums[family] += hits * math.log(rate) + (images - hits) * math.log1p(-rate)
    entries = len(seen[model])
    return {family: total / entries for family, total in sums.items()}


def _among_kin(seen: Profiles, families: Families, model: str) -> dict[int, list[tuple[int, int]]]:
    """By panel, the counts of all pairs of relatives without ``model``."""
    found: dict[int, list[tuple[int, int]]] = {}
    for target, profile in seen.items():
        for (panel, source), count in profile.items():
            kin = families[target] is not None and families[source] == families[target]
            if kin and model not in (source, target):
                found.setdefault(panel, []).append(count)
    return found


def _pooled(counts: Iterable[tuple[int, int]], *, prior: float = 0.5, weight: float = 1.0) -> float:
    """The rate over all images, with ``weight`` more of the ``prior`` rate."""
    hits, images = weight * prior, weight
    for some, all_ in counts:
        hits, images = hits + some, images + all_
    return hits / images


def ranked(
    likelihoods: Mapping[str, float], members: Mapping[str, int], temperature: float
) -> tuple[FamilyScore, ...]:
    """The families, likeliest first."""
    best = max(likelihoods.values())
    weights = {family: math.exp(temperature * (own - best)) for family, own in likelihoods.items()}
    total = sum(weights.values())
    return tuple(
        FamilyScore(family, members[family], own - best, weights[family] / total)
        for family, own in sorted(likelihoods.items(), key=lambda item: (-item[1], item[0]))
    )


def leave_one_out(seen: Profiles, families: Families) -> LeaveOneOut:
    """How often the ranking puts a model's own family first, the model itself left out."""
    right, models, ceiling = 0, 0, 0
    wrong = {}
    for model in seen:
        own = families[model]
        if own is None:
            continue
        models += 1
        likelihoods = log_likelihoods(seen, families, model)
        if own not in likelihoods:
            continue
        ceiling += 1
        first = ranked(likelihoods, _members(seen, families, model), 1.0)[0].family
        if first == own:
            right += 1
        else:
            wrong[model] = first
    return LeaveOneOut(right, models, ceiling, wrong)


def calibrated(seen: Profiles, families: Families) -> float:
    """The temperature at which the own families of these models, each left out, are most probable.

    At most the number of entries, as if none shared its images with another. One more model,
    mistaken by the median margin, is added, so that no probability is higher than the number of
    models supports. The smallest where nothing is known.
    """
    margins: list[list[float]] = []  # of the own family over each other one
    for model in seen:
        likelihoods = log_likelihoods(seen, families, model)
        own = likelihoods.get(families[model] or "")
        if own is not None and len(likelihoods) > 1:
            others = (each for family, each in likelihoods.items() if family != families[model])
            margins.append([own - each for each in others])
    if not margins:
        return TEMPERATURES[0]
    margins.append([-median(abs(min(each)) for each in margins)])

    def surprise(temperature: float) -> float:
        return sum(_softplus([-temperature * each for each in margin]) for margin in margins)

    entries = max(len(profile) for profile in seen.values())
    return min(
        (temperature for temperature in TEMPERATURES if temperature <= entries), key=surprise
    )


def _softplus(exponents: Sequence[float]) -> float:
    """ln(1 + sum of exp), without overflow."""
    top = max(0.0, *exponents)
    return top + math.log(math.exp(-top) + sum(math.exp(each - top) for each in exponents))


def _members(seen: Profiles, families: Families, model: str) -> dict[str, int]:
    """By family, how many models with a profile it has besides ``model``."""
    counts: dict[str, int] = {}
    for other in seen:
        family = families[other]
        if other != model and family is not None:
            counts[family] = counts.get(family, 0) + 1
    return counts


def _without(seen: Profiles, model: str) -> Profiles:
    """The profiles as if ``model`` did not exist, neither as a target nor as a source."""
    return {
        target: left
        for target, profile in seen.items()
        if target != model
        and (left := {entry: count for entry, count in profile.items() if entry[1] != model})
    }
