"""Rules checked on components, each once, those that others need first."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

from harness.api.examples import Examples
from harness.contained import cause, contained
from harness.plugins import installed
from harness.testing.conformance.component import (
    PLUGIN,
    Wanted,
    components,
    reports_of,
)
from harness.testing.conformance.plugin import WholePlugin
from harness.testing.conformance.rule import Broken, NotChecked, Result, Rule, Rules, State

MODULES = {
    PLUGIN: "plugin",
    "attack": "attacks",
    "model_loader": "loaders",
    "dataset": "datasets",
    "metric": "metrics",
    "measurement": "measurements",
    "executor": "executors",
    "observer": "observers",
    "finding": "findings",
    "reference_fit": "reference_fits",
    "report_section": "report_sections",
    "command": "commands",
    "registry": "registries",
}
"""The kinds that have rules, and the module of each, with its ``rules`` and its ``subject``."""


class Checked(Protocol):
    """What a `Checkup` is of: a `Component`, or a plugin as a whole."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...


def rules_for(kind: str) -> Rules[Any]:
    """The rules of a kind; importing those of attacks and models loads torch."""
    return cast("Rules[Any]", _module(kind).rules)


class Checkup:
    """One component and what becomes of the rules of its kind."""

    def __init__(self, component: Checked) -> None:
        self.component = component
        self._results: dict[str, Result] = {}

    @property
    def rules(self) -> list[Rule[Any]]:
        return list(rules_for(self.component.kind))

    @cached_property
    def _subject(self) -> Any:
        return _module(self.component.kind).subject(self.component)

    def known(self, result: Result) -> None:
        """What another process has found out."""
        self._results[result.rule] = result

    def result(self, name: str) -> Result:
        """What becomes of a rule; those that it needs are checked before."""
        if name not in self._results:
            self._results[name] = self._checked(rules_for(self.component.kind)[name])
        return self._results[name]

    def _checked(self, rule: Rule[Any]) -> Result:
        for other in rule.needs:
            before = self.result(other)
            if broken := other if before.state is State.BROKEN else before.behind:
                return self.told(rule, State.NOT_CHECKED, f"{broken} is broken", broken)
        try:
            with contained("it"):
                rule.check(self._subject)
        except NotChecked as reason:
            return self.told(rule, State.NOT_CHECKED, str(reason))
        except Broken as broken:
            return self.told(rule, State.BROKEN, str(broken))
        except AssertionError as error:
            return self.told(rule, State.BROKEN, str(error) or _line(error))
        except Exception as error:
            return self.told(rule, State.BROKEN, cause("it", error))
        return self.told(rule, State.KEPT)

    def told(self, rule: Rule[Any], state: State, why: str = "", behind: str = "") -> Result:
        """A result of this component's."""
        kind, name = self.component.kind, self.component.name
        return Result(kind, name, rule.name, rule.statement, rule.see, state, why, behind)


@dataclass(frozen=True, slots=True)
class Case:
    """One rule and one component: one test."""

    checkup: Checkup
    rule: Rule[Any]

    @property
    def id(self) -> str:
        component = self.checkup.component
        return f"{component.kind}:{component.name}-{self.rule.name}"

    def result(self) -> Result:
        return self.checkup.result(self.rule.name)

    def check(self) -> None:
        """
        Raises:
            Broken: the rule is not kept. NotChecked: it cannot be checked.
        """
        result = self.result()
        if result.state is State.BROKEN:
            raise Broken(result.said)
        if result.state is State.NOT_CHECKED:
            raise NotChecked(result.why)


def checkups(
    distribution: str,
    *,
    kind: str | None = None,
    name: str | None = None,
    examples: Examples | None = None,
) -> Iterator[Checkup]:
    """All that ``distribution`` registers, its plugins first.

    Args:
        kind, name: of the components that are wanted; ``name`` may be a glob, and ``!GLOB`` all
            others.
        examples: beside those that its plugins name.
    """
    catalog, wanted = installed(), Wanted(kind, name)
    for report in reports_of(catalog, distribution):
        if wanted.fits(PLUGIN, report.name):
            yield Checkup(WholePlugin(report))
    for component in components(catalog, distribution, wanted, examples):
        if component.kind in MODULES:
            yield Checkup(component)


def rules_of(
    distribution: str,
    *,
    kind: str | None = None,
    name: str | None = None,
    examples: Examples | None = None,
) -> list[Case]:
    """A case for each rule and component of ``distribution``; arguments as of `checkups`."""
    return [
        Case(checkup, rule)
        for checkup in checkups(distribution, kind=kind, name=name, examples=examples)
        for rule in checkup.rules
    ]


def _line(error: AssertionError) -> str:
    """The source of an assertion that says nothing itself."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.line} ({Path(frame.filename).name}:{frame.lineno})"


def _module(kind: str) -> Any:
    return importlib.import_module(f"harness.testing.conformance.{MODULES[kind]}")
