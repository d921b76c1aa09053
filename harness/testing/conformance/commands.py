"""Rules of commands; none is run but for its help."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import click
from click.testing import CliRunner, Result

from harness.errors import ExitCode
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

NO_OPTION = "--no-command-has-this-option"

rules: Rules[CommandSubject] = Rules("command", see="docs/plugins.md: Commands")


class CommandSubject:
    """The command of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def command(self) -> object:
        return self.component.registration.load()

    @property
    def commands(self) -> Iterator[tuple[str, click.Command]]:
        """It, and the commands of a group."""
        yield from _all(self.component.registration.name, self.command)

    def called(self, *arguments: str) -> Result:
        assert isinstance(self.command, click.Command)
        name = self.component.registration.name
        return CliRunner().invoke(self.command, [*arguments], prog_name=f"harness {name}")


def subject(component: Component) -> CommandSubject:
    return CommandSubject(component)


def _all(name: str, command: object) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Command):
        yield name, command
    if isinstance(command, click.Group):
        for inner, each in command.commands.items():
            yield from _all(f"{name} {inner}", each)


@rules.rule()
def it_is_a_click_command(subject: CommandSubject) -> None:
    """Its target is a click command."""
    if not isinstance(subject.command, click.Command):
        raise Broken(f"it is {type(subject.command).__name__}")


@rules.rule(it_is_a_click_command)
def its_help_is_printed(subject: CommandSubject) -> None:
    """`--help` prints the help and does nothing else."""
    found = subject.called("--help")
    if found.exit_code != ExitCode.OK or "Usage:" not in found.output:
        raise Broken(f"exit code {found.exit_code}: {found.output.strip() or found.exception}")


@rules.rule(it_is_a_click_command)
def options_have_help(subject: CommandSubject) -> None:
    """The command and each of its options have a help text."""
    for name, command in subject.commands:
        if not (command.help or command.short_help):
            raise Broken(f"`harness {name}` has no help")
        for option in command.params:
            if isinstance(option, click.Option) and not option.help:
                raise Broken(f"{option.opts[0]} of `harness {name}` has no help")


@rules.rule(it_is_a_click_command)
def wrong_options_are_usage_errors(subject: CommandSubject) -> None:
    """An option that it does not know ends it with exit code 2."""
    found = subject.called(NO_OPTION)
    if found.exit_code != ExitCode.USAGE:
        raise Broken(f"the exit code is {found.exit_code}")
