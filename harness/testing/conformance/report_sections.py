"""Rules of report sections, on a small run that is stored."""

from __future__ import annotations

from functools import cached_property

from harness.api import PluginError
from harness.api.report_section import Reported, ReportSection
from harness.contained import contained
from harness.engine.guard import CHANGED, Guard
from harness.identity import file_sha256
from harness.report.html.sections import PluginSection, declared, section_of
from harness.testing.conformance import stored
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

rules: Rules[SectionSubject] = Rules("report_section", see="docs/plugins.md: Report sections")


class SectionSubject:
    """The report section of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def section(self) -> ReportSection:
        return declared(self.component.registration)

    @cached_property
    def reported(self) -> Reported:
        return stored.reported()

    def made(self) -> PluginSection:
        """As the page shows it."""
        with contained("it"):
            return section_of(self.component.registration, self.reported, set())


def subject(component: Component) -> SectionSubject:
    return SectionSubject(component)


@rules.rule()
def it_has_its_texts(subject: SectionSubject) -> None:
    """It has a title, and a line for where the database has nothing for it."""
    assert subject.section


@rules.rule(it_has_its_texts, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: SectionSubject) -> None:
    """Making it leaves the process and the database as they were."""
    before = file_sha256(stored.database())
    guard = Guard("the section")
    try:
        subject.made()
    except Exception:
        guard.put_back()
        return  # the next rule's
    try:
        guard.check()
    except PluginError as error:
        if f" {CHANGED} " in str(error):
            raise Broken(str(error)) from error
    if file_sha256(stored.database()) != before:
        raise Broken("the database has changed")


@rules.rule(others_find_things_as_they_were)
def any_suite_has_a_section_or_none(subject: SectionSubject) -> None:
    """On results of a suite that it knows nothing of it makes a section that can be shown, or
    none.
    """
    assert subject.made()


@rules.rule(any_suite_has_a_section_or_none)
def the_same_results_make_the_same_section(subject: SectionSubject) -> None:
    """Made twice, it shows the same."""
    first, second = subject.made(), subject.made()
    if first != second:
        raise Broken("the second time it shows something else")
