"""``harness plugins disable|enable|doctor``: none of them imports a plugin into this process."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import option, output_format
from harness.cli.printing import show
from harness.errors import ConfigError, ExitCode
from harness.report.presentation import Field, Format, present
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.cli.plugin_trial import Trial
    from harness.switches import Plugin


@click.command()
@click.argument("names", metavar="PLUGIN...", nargs=-1, required=True)
def disable(names: Sequence[str]) -> None:
    """Load these plugins no longer.

    PLUGIN is a name of `harness plugins list`, or DISTRIBUTION:NAME. The list of disabled plugins
    is a file in your configuration folder. HARNESS_PLUGINS, where it is set, decides instead of it:
    it names the plugins to load beside the bundled ones.
    """
    for name in names:
        _switch(_named(name), disabled=True)


@click.command()
@click.argument("names", metavar="PLUGIN...", nargs=-1, required=True)
def enable(names: Sequence[str]) -> None:
    """Load these plugins again, which `harness plugins disable` has disabled."""
    from harness import switches

    for name in names:
        gone = [each for each in switches.listed() if each.called(name)]
        _switch(gone[0] if len(gone) == 1 else _named(name), disabled=False)


def _switch(plugin: Plugin, *, disabled: bool) -> None:
    from harness import switches

    switches.write(plugin, disabled=disabled)
    done = "disabled" if disabled else "enabled"
    echo(f"plugin {plugin.name} ({plugin.distribution}) is {done}: {switches.file()}", err=True)
    if switches.read().allowed is not None:
        echo(f"warning: {switches.ALLOWED} is set and decides instead of that list", err=True)


@click.command()
@click.argument("names", metavar="[PLUGIN...]", nargs=-1)
@option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    metavar="SECONDS",
    help="How long a plugin may take to load.",
)
@output_format()
def doctor(names: Sequence[str], timeout: float, format: Format) -> ExitCode:
    """Load every plugin in a process of its own, and tell what is wrong with it.

    A plugin that hangs, or ends its process, is found out; `harness plugins disable` disables it.
    Disabled plugins are loaded if they are named. The exit code is 4 if a plugin is broken.
    """
    from harness import switches
    from harness.cli.plugin_trial import Trial, try_plugin
    from harness.cores import usable_cores
    from harness.plugins import Installed, plugins

    wanted = {_named(name) for name in names}
    chosen = [each for each in plugins() if not names or each.plugin in wanted]
    off = switches.read()

    def tried(each: Installed) -> Trial:
        why = off.off(each.plugin, bundled=each.bundled)
        return Trial(f"disabled ({why})") if why and not names else try_plugin(each.plugin, timeout)

    with ThreadPoolExecutor(usable_cores()) as pool:
        trials = list(pool.map(tried, chosen))
    taken: dict[tuple[str, str], Plugin] = {}
    rows: list[dict[str, Any]] = []
    for each, trial in zip(chosen, trials, strict=True):
        status = _clash(each.plugin, trial, taken) or trial.status
        healthy = status.startswith(("ok", "disabled"))
        rows.append(
            {
                "name": each.plugin.name,
                "distribution": each.plugin.distribution,
                "version": each.version,
                "module": each.point.value,
                "status": status,
                "todo": None if healthy else f"harness plugins disable {each.plugin.name}",
                "healthy": healthy,
            }
        )
    show(present(_FIELDS, rows), format)
    return ExitCode.OK if all(row["healthy"] for row in rows) else ExitCode.PLUGIN


_FIELDS: tuple[Field[dict[str, Any]], ...] = (
    Field("name", "plugin"),
    Field("distribution", "distribution"),
    Field("version", "version"),
    Field("module", "module"),
    Field("status", "status"),
    Field("todo", "until it is mended"),
    Field("healthy"),
)


def _clash(plugin: Plugin, trial: Trial, taken: dict[tuple[str, str], Plugin]) -> str | None:
    """What the plugin offers under a name that an earlier one has; else its names are taken."""
    for kind, name in trial.offers:
        if (kind, name) in taken:
            return f"broken at hooks: {kind} {name!r} is offered by {taken[kind, name]} too"
    taken.update((offer, plugin) for offer in trial.offers)
    return None


def _named(name: str) -> Plugin:
    """The installed plugin called ``name``.

    Raises:
        ConfigError: there is none, or several.
    """
    from harness.plugins import plugins, unknown

    installed = [each.plugin for each in plugins()]
    found = [each for each in installed if each.called(name)]
    if not found:
        names = [text for each in installed for text in (str(each), each.name)]
        raise unknown("plugin", name, names)
    if len(found) > 1:
        choices = " or ".join(map(str, found))
        raise ConfigError(f"several plugins are called {name!r}", hint=f"use {choices}")
    return found[0]
