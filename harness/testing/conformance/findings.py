"""Rules of findings, on the evidence of a small run, and on none."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property

from harness.analysis.findings import Found, checked, finding_of
from harness.api import Evidence, Finding, PluginError
from harness.contained import cause, contained
from harness.engine.guard import CHANGED, Guard
from harness.testing.conformance import stored
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

rules: Rules[FindingSubject] = Rules("finding", see="docs/plugins.md: Findings")


class FindingSubject:
    """The finding of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def finding(self) -> Finding:
        return finding_of(self.component.registration)

    def rows(self, evidence: Evidence) -> Sequence[Found]:
        """Its rows, as ``harness findings`` shows them."""
        return checked(self.component.registration, evidence, set())


def subject(component: Component) -> FindingSubject:
    return FindingSubject(component)


@rules.rule()
def it_says_what_it_claims(subject: FindingSubject) -> None:
    """It has a title, the claim in a sentence, its source, and the rule of its verdict."""
    with contained("it"):
        assert subject.finding


@rules.rule(it_says_what_it_claims, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: FindingSubject) -> None:
    """Looking at evidence leaves the process as it was."""
    with stored.evidence() as evidence:
        guard = Guard("the finding")
        subject.rows(evidence)
        try:
            guard.check()
        except PluginError as error:
            if f" {CHANGED} " in str(error):
                raise Broken(cause("it", error)) from error


@rules.rule(others_find_things_as_they_were)
def evidence_becomes_a_verdict(subject: FindingSubject) -> None:
    """On results of a suite that it knows nothing of it concludes, with rows of different names."""
    with stored.evidence() as evidence:
        _refuse_errors(subject.rows(evidence))


@rules.rule(others_find_things_as_they_were)
def without_results_nothing_is_decided(subject: FindingSubject) -> None:
    """On a suite without results each of its verdicts is that there is not enough data."""
    found = subject.rows(stored.EMPTY)
    _refuse_errors(found)
    for row in found:
        if row.verdict != "not enough data":
            raise Broken(f"{row.name}: {row.verdict}")


@rules.rule(evidence_becomes_a_verdict)
def the_same_evidence_has_the_same_verdict(subject: FindingSubject) -> None:
    """Asked twice, it concludes the same."""
    with stored.evidence() as evidence:
        if (first := subject.rows(evidence)) != (second := subject.rows(evidence)):
            raise Broken(f"first {_said(first)}, then {_said(second)}")


@rules.rule(evidence_becomes_a_verdict)
def the_evidence_is_not_changed(subject: FindingSubject) -> None:
    """The evidence, which other findings see too, stays what it was."""
    with stored.evidence() as evidence:
        before = [repr(part) for part in (evidence.models, evidence.trials, evidence.scores)]
        subject.rows(copy.copy(evidence))
        after = [repr(part) for part in (evidence.models, evidence.trials, evidence.scores)]
    if before != after:
        raise Broken("the evidence has changed")


def _refuse_errors(found: Sequence[Found]) -> None:
    for row in found:
        if row.verdict == "error":
            raise Broken(row.figure)


def _said(found: Sequence[Found]) -> str:
    return "; ".join(f"{row.verdict} ({row.figure})" for row in found)
