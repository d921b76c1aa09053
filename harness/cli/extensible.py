"""Groups of ``harness`` whose verbs are the harness's own and those that plugins offer.

Plugins are loaded where a name is not the harness's own, or where all names are listed. A plugin's
command is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from harness.terminal import echo

if TYPE_CHECKING:
    from harness.plugins import Registration

CALLED = "harness.command"
"""Where click's context holds the registration of the plugin's command that is called."""
LOANS = "harness.loans"
"""Where it holds what is taken back from that command when it ends, an `ExitStack`."""


class Extensible(click.Group):
    """A group that plugins' commands join: ``import`` that of models as ``models import``."""

    @property
    def _before(self) -> str:
        """What the names of plugins' commands that belong here begin with."""
        return f"{self.name} "

    def own(self) -> Mapping[str, str]:
        """The harness's own verbs and their summaries."""
        return {name: each.get_short_help_str(80) for name, each in self.commands.items()}

    def offered(self) -> dict[str, Registration]:
        """What plugins add, by the word that calls it here."""
        from harness.plugins import Kind, installed

        return {
            each.name.removeprefix(self._before): each
            for each in installed().all(Kind.COMMAND)
            if each.name.startswith(self._before)
            and " " not in each.name.removeprefix(self._before)
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.own(), *self.offered()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.own():
            return self.own_command(ctx, name)
        found = self.offered().get(name)
        return None if found is None else _loaded(found)

    def own_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0] if args else ""
        if word in self.own() or not word or word.startswith("-"):
            return super().resolve_command(ctx, args)
        offered = self.offered()
        if word not in offered and ctx.resilient_parsing:
            return None, None, []  # a shell asks; there is nothing to complete
        if word not in offered:
            raise self._unknown(ctx, word, offered)
        return word, called(ctx, offered[word]), args[1:]

    def _unknown(self, ctx: click.Context, word: str, offered: Mapping[str, object]) -> Exception:
        from harness.cli.warned import warn_of_broken
        from harness.plugins import installed, unknown

        warn_of_broken(installed())
        names = [self._before + name for name in (*self.own(), *offered)]
        see = f"`{ctx.command_path} --help`"
        return unknown("command", self._before + word, names, see=see)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.own().items()))
        offered = self.offered()
        if offered:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, each.summary) for name, each in offered.items()])

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Its help lists what plugins add, and to load them gives stdout away: `echo` has it."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option


def _show_help(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        echo(ctx.get_help())
        ctx.exit()


def called(ctx: click.Context, offered: Registration) -> click.Command:
    """The command of a plugin, which is called next: the harness and stdout are lent to it.

    Raises:
        PluginError: it cannot be imported, or is no click command.
    """
    command = _loaded(offered)
    _lend(ctx, offered)
    return command


def _loaded(offered: Registration) -> click.Command:
    """The command of a plugin.

    Raises:
        PluginError: it cannot be imported, or is no click command.
    """
    from harness.errors import PluginError

    command = offered.load()
    if not isinstance(command, click.Command):
        raise PluginError(
            f"{offered.target} is {type(command).__name__}, not a click command",
            where=f"plugin {offered.plugin} ({offered.distribution})",
            hint="reinstall or remove the plugin",
        )
    return command


def _lend(ctx: click.Context, offered: Registration) -> None:
    """To the command that is called next: the harness, and stdout."""
    from harness.cli.plugin_harness import PluginHarness
    from harness.terminal import lent

    ctx.meta[CALLED] = offered
    ctx.obj = PluginHarness(offered)
    if LOANS in ctx.meta:  # it is called, not only looked up
        ctx.meta[LOANS].enter_context(lent())
