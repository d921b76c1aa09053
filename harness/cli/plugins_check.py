"""``harness plugins check DIST``: what a distribution's components keep of the rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import option, output_format
from harness.cli.printing import show
from harness.errors import ExitCode
from harness.report.presentation import Cell, Field, Format, present
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.testing.conformance import Result

STYLES = {"kept": "green", "broken": "red", "not checked": "yellow"}


@click.command("check")
@click.argument("distribution")
@option("--kind", metavar="KIND", help="Only components of this kind, such as attack or plugin.")
@option("--name", metavar="GLOB", help="Only components of these names; !GLOB: all others.")
@option(
    "--examples",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Python file with HARNESS_EXAMPLES, such as a test of the plugin's.",
)
@option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the rules of one component may take.",
)
@output_format()
def check(
    distribution: str,
    kind: str | None,
    name: str | None,
    examples: Path | None,
    timeout: float,
    format: Format,
) -> ExitCode:
    """Check the components of an installed distribution against the rules of conformance.

    The plugins run in a process of their own: one that hangs or crashes breaks a rule. The exit
    code is 1 if a rule is broken.
    """
    from harness.testing.conformance.apart import Asked, checked_apart

    kind = None if kind is None else _kind(kind)
    found: list[Result] = []
    for result in checked_apart(Asked(distribution, kind, name, examples), timeout):
        if found and _component(found[-1]) != _component(result):
            _say(found)
        found.append(result)
    if found:
        _say(found)
    counts = ", ".join(f"{sum(each.state == state for each in found)} {state}" for state in STYLES)
    shown = present(FIELDS, found, notes=[f"{distribution}: {counts}"])
    show(shown, format)
    broken = any(each.state == "broken" for each in found)
    return ExitCode.CELLS_FAILED if broken else ExitCode.OK


def _kind(text: str) -> str:
    from harness.plugins import unknown
    from harness.testing.conformance.cases import MODULES

    found = text.replace("-", "_").replace(" ", "_")
    if found not in MODULES:
        raise unknown("kind", text, MODULES, "--kind", listed=True)
    return found


def _component(result: Result) -> str:
    return f"{result.kind.replace('_', ' ')} {result.name}"


def _state(result: Result) -> Cell:
    return Cell(result.state, result.state, style=STYLES[result.state])


def _why(result: Result) -> str | None:
    if result.state == "broken":
        return f"{result.why}\nexpected: {result.statement}\nsee: {result.see}"
    return result.why or None


def _say(found: list[Result]) -> None:
    """A component is done: a line on stderr, for who waits."""
    mine = [each for each in found if _component(each) == _component(found[-1])]
    broken = [each.rule for each in mine if each.state == "broken"]
    said = f"breaks {', '.join(broken)}" if broken else "breaks no rule"
    echo(f"{_component(found[-1])}: {said}", err=True)


FIELDS: tuple[Field[Result], ...] = (
    Field("kind"),
    Field("name"),
    Field("component", "component", text=_component, data=False, repeated=True),
    Field("rule", "rule"),
    Field("state", "result", text=_state),
    Field("why", "why", text=_why),
    Field("statement"),
    Field("see"),
)
