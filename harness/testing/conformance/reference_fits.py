"""Rules of reference fits."""

from __future__ import annotations

from functools import cached_property

from harness.analysis.reference import References, from_plugin
from harness.api import ReferenceFit
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

rules: Rules[FitSubject] = Rules("reference_fit", see="docs/plugins.md: Reference fits")


class FitSubject:
    """The reference fit of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def fit(self) -> object:
        return self.component.registration.load()()

    @cached_property
    def references(self) -> References:
        """As ``--frontier`` takes them."""
        return from_plugin(self.component.registration)


def subject(component: Component) -> FitSubject:
    return FitSubject(component)


@rules.rule()
def it_can_be_made(subject: FitSubject) -> None:
    """Its class is a `ReferenceFit` that is made without arguments."""
    if not isinstance(subject.fit, ReferenceFit):
        raise Broken(f"it is {type(subject.fit).__name__}")


@rules.rule(it_can_be_made)
def its_fits_are_lines(subject: FitSubject) -> None:
    """It says whose they are; its fits are finite lines, and their accuracies in [0, 1]."""
    assert subject.references.fits


@rules.rule(its_fits_are_lines)
def robustness_falls_with_accuracy(subject: FitSubject) -> None:
    """Its lines have a value above 0 at some accuracy that they were fitted between: a fit that is
    0 or less everywhere was entered with another sign or unit.
    """
    for name, found in subject.references.fits.items():
        low, high = found.low or 0.0, 1.0 if found.high is None else found.high
        errors = [1 - (low + share * (high - low)) for share in (0.0, 0.25, 0.5, 0.75)]
        if not any(found.fit.at(error) > 0 for error in errors if error > 0):
            raise Broken(f"{name} is nowhere above 0 between accuracies {low:g} and {high:g}")
