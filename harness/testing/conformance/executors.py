"""Rules of executors: the checks of `harness.testing.executors`."""

from __future__ import annotations

from functools import cached_property

from harness.api import Executor, Placement, PluginError
from harness.api.examples import ExecutorExample
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import NotChecked, Rules
from harness.testing.executors import CHECKS, EVERYWHERE, Check

rules: Rules[ExecutorSubject] = Rules("executor", see="docs/plugins.md: Executors")


class ExecutorSubject:
    """The executor of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def kind(self) -> type[Executor]:
        found = self.component.registration.load()
        if not (isinstance(found, type) and issubclass(found, Executor)):
            raise PluginError(f"{self.component.registration.target} is not an Executor")
        return found

    @cached_property
    def example(self) -> ExecutorExample:
        return self.component.needed(ExecutorExample)

    def made(self, placement: Placement) -> Executor:
        return self.kind(placement)


def subject(component: Component) -> ExecutorSubject:
    return ExecutorSubject(component)


@rules.rule()
def it_can_be_imported(subject: ExecutorSubject) -> None:
    """Its class is an `Executor`."""
    assert subject.kind


def _add(check: Check) -> None:
    """``check`` as a rule of the same name and words."""

    def checked(subject: ExecutorSubject) -> None:
        if check not in EVERYWHERE and not subject.example.processes:
            raise NotChecked("its workers are no processes of their own on this host")
        assert subject.example
        folder = subject.component.folder / check.__name__
        folder.mkdir()
        check(subject.made, folder)

    checked.__name__, checked.__doc__ = check.__name__, check.__doc__
    rules.rule(it_can_be_imported)(checked)


for _check in CHECKS:
    _add(_check)
