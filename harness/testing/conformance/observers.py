"""Rules of observers, which are told again of a small run, and of one that failed at once."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from harness.api import Event, Observer, PluginError, Said
from harness.api.examples import ObserverExample
from harness.contained import contained
from harness.display.observers import observers
from harness.engine.guard import CHANGED, Guard
from harness.plugins import Catalog, PluginReport
from harness.testing.conformance import stored
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

rules: Rules[ObserverSubject] = Rules("observer", see="docs/observers.md: Writing one")


@dataclass(frozen=True, slots=True)
class _Unheard(Event):
    """A kind of event that no version of the harness has."""

    event: ClassVar[str] = "unheard"

    what: str = "of"


class ObserverSubject:
    """The observer of a `Component`, a new one for each run."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def example(self) -> ObserverExample:
        return self.component.example(ObserverExample) or ObserverExample()

    def made(self) -> Observer:
        """As ``--observe`` makes it; call it in a folder that it may write to."""
        registration = self.component.registration
        catalog = Catalog([PluginReport("toy", "toy", "1", [registration])])
        options = [f"{name}={value}" for name, value in self.example.options.items()]
        (found,) = observers([":".join([registration.name, *options])], catalog, "--observe")
        return found.observer

    def told(self, *events: Event) -> None:
        """A whole run of these events."""
        with contained("it"), chdir(self.component.folder):
            observer = self.made()
            for event in events:
                observer.observe(event)
            observer.close()


def subject(component: Component) -> ObserverSubject:
    return ObserverSubject(component)


@rules.rule()
def it_can_be_made(subject: ObserverSubject) -> None:
    """It is an `Observer`, made of its defaults or the options of its example."""
    with chdir(subject.component.folder):
        subject.made().close()


@rules.rule(it_can_be_made, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: ObserverSubject) -> None:
    """A run that it observes leaves torch's settings and the process as they were."""
    events = stored.events()
    guard = Guard("the observer")
    try:
        subject.told(*events)
    except Exception:
        guard.put_back()
        return  # the next rule's
    try:
        guard.check()
    except PluginError as error:
        if f" {CHANGED} " in str(error):
            raise Broken(str(error)) from error


@rules.rule(others_find_things_as_they_were)
def every_event_is_taken(subject: ObserverSubject) -> None:
    """It takes every kind of event, in the order of a run, and then comes to its end."""
    subject.told(*stored.events())


@rules.rule(every_event_is_taken)
def a_run_that_never_began_is_survived(subject: ObserverSubject) -> None:
    """A run that fails before it is planned has an end alone, and maybe a line before."""
    subject.told(Said("a line before"), *stored.failed())
    subject.told(*stored.failed())


@rules.rule(every_event_is_taken)
def events_that_it_does_not_know_are_passed_over(subject: ObserverSubject) -> None:
    """A kind of event that it does not know changes nothing."""
    first, *rest = stored.events()
    subject.told(first, _Unheard(), *rest)
