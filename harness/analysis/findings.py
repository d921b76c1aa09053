"""The findings of all plugins on a suite's evidence; one that fails costs itself alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from harness.api import Conclusion, Evidence, Finding
from harness.api.finding import FindingVerdict
from harness.api.statistics import Range
from harness.contained import cause
from harness.errors import PluginError
from harness.plugins import Catalog, Kind, Registration, at_work

TEXTS = ("title", "claim", "source", "rule")
"""What a finding has to declare."""

VERDICTS = get_args(FindingVerdict)


@dataclass(frozen=True, slots=True)
class Found:
    """A claim of a plugin against the stored results; `Conclusion` documents the rest.

    Attributes:
        name: the registered one, and what one of several conclusions is of.
        verdict: ``error`` where the plugin failed; the figure is then the reason.
        details: the rule, then the conclusion's.
    """

    name: str
    title: str
    claim: str
    source: str
    verdict: FindingVerdict | Literal["error"]
    figure: str
    interval: Range | None
    details: tuple[str, ...]
    plugin: str
    distribution: str


def check(evidence: Evidence, catalog: Catalog) -> tuple[Found, ...]:
    """The findings of every plugin of the catalog, in its order."""
    taken: set[str] = set()
    return tuple(
        each
        for registration in catalog.all(Kind.FINDING)
        for each in checked(registration, evidence, taken)
    )


def checked(offer: Registration, evidence: Evidence, taken: set[str]) -> Sequence[Found]:
    """The rows of one finding; ``taken`` are the names of the rows before, and get its own."""
    try:
        with at_work(offer):
            finding = finding_of(offer)
            found = [_found(offer, finding, each) for each in _said(finding.check(evidence))]
        names = [each.name for each in found]
        twice = [name for name in names if name in taken or names.count(name) > 1]
        if twice:
            raise PluginError(f"{twice[0]!r} is the name of another row")
    except Exception as error:
        return [_failed(offer, cause("it", error))]
    taken.update(names)
    return found


def _failed(offer: Registration, reason: str) -> Found:
    return Found(
        name=offer.name,
        title=offer.name,
        claim=offer.summary,
        source=offer.origin,
        verdict="error",
        figure=f"plugin {offer.plugin} ({offer.distribution}): {reason}",
        interval=None,
        details=(),
        plugin=offer.plugin,
        distribution=offer.distribution,
    )


def finding_of(offer: Registration) -> Finding:
    """What a plugin offers, if it is a finding that says what it claims.

    Raises:
        PluginError: it is not. Exception: what making it raised.
    """
    finding = offer.load()()
    if not isinstance(finding, Finding):
        raise PluginError("it is not a Finding")
    for text in TEXTS:
        said = getattr(finding, text, None)
        if not isinstance(said, str) or not said.strip():
            raise PluginError(f"its {text} is missing")
    return finding


def _said(returned: object) -> Iterator[Conclusion]:
    several = not isinstance(returned, Conclusion)
    every = returned if several else [returned]
    if not isinstance(every, Iterable):
        raise PluginError(f"it returned {type(returned).__name__}, not a Conclusion")
    for each in every:
        if not isinstance(each, Conclusion):
            raise PluginError(f"it returned {type(each).__name__}, not a Conclusion")
        yield each


def _found(offer: Registration, finding: Finding, said: Conclusion) -> Found:
    if said.verdict not in VERDICTS:
        raise PluginError(f"its verdict is {said.verdict!r}; there are: {', '.join(VERDICTS)}")
    lines = [said.figure, said.of, "" if said.title is None else said.title, *said.details]
    if not all(isinstance(line, str) for line in lines):
        raise PluginError("its figure, details, title or `of` is not text")
    return Found(
        name="-".join(part for part in (offer.name, said.of) if part),
        title=finding.title if said.title is None else said.title,
        claim=finding.claim,
        source=finding.source,
        verdict=said.verdict,
        figure=said.figure,
        interval=_interval(said.interval),
        details=(f"rule: {finding.rule}", *said.details),
        plugin=offer.plugin,
        distribution=offer.distribution,
    )


def _interval(interval: object) -> Range | None:
    """Two finite floats in order; numpy's are made Python's."""
    if interval is None:
        return None
    try:
        low, high = map(float, interval)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise PluginError(f"its interval is {interval!r}, not two numbers") from None
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise PluginError(f"its interval is {low:g} to {high:g}")
    return low, high
