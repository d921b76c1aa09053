"""Plugins: found through entry points, loaded one at a time, each within its own walls."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

import pluggy

from harness import hookspecs, overdue, switches
from harness.api import ConfigError, PluginError, did_you_mean
from harness.contained import contained
from harness.kinds import BUNDLED as BUNDLED
from harness.kinds import Kind as Kind
from harness.kinds import check_absent, check_api, check_offer
from harness.kinds import is_bundled as is_bundled
from harness.overdue import watched
from harness.signals import stop_if_asked
from harness.terminal import give_away, speaking
from harness.traces import show

GROUP = "harness"


@dataclass(frozen=True, slots=True)
class Registration:
    """One component that a plugin offers; `load` imports it."""

    kind: Kind
    name: str
    target: str
    version: str
    summary: str
    plugin: str
    distribution: str

    @property
    def origin(self) -> str:
        """Who offers it: the distribution and its entry point."""
        return f"{self.distribution}:{self.plugin}"

    @property
    def who(self) -> str:
        """The plugin, for messages."""
        return f"plugin {self.plugin} ({self.distribution})"

    def load(self) -> Any:
        """The class behind ``target``.

        Raises:
            PluginError: it cannot be imported.
        """
        module, _, attribute = self.target.partition(":")
        try:
            with at_work(self):
                return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"{self.kind.label} {self.name!r} cannot be imported from {self.target}: "
                f"{_cause(error)}",
                where=self.who,
                hint="reinstall or remove the plugin",
            ) from error


@contextmanager
def at_work(offer: Registration) -> Iterator[None]:
    """Around a call into what a plugin offers, one at a time.

    What it prints is told in its name, what it raises is an `Exception`, and where it hangs it is
    stopped, if it did not come with the harness.
    """
    limit = _patience(bundled=is_bundled(offer.origin))
    with speaking(f"plugin {offer.plugin}"), watched(offer.who, limit), contained("it"):
        yield


def _patience(*, bundled: bool) -> float | None:
    return None if bundled else overdue.PATIENCE * overdue.WITHOUT_IMAGES


@dataclass(slots=True)
class PluginReport:
    """What became of one entry point.

    Attributes:
        stage, cause: set when it is broken.
        off: set when it is disabled, and so not imported: what to do, or what forbids it.
        deprecations: what it uses that a later version of the API will not have, one line each.
        absent: how the names begin that it would offer if something were installed, each with what
            to do about it: its module's ``HARNESS_ABSENT``.
    """

    name: str
    distribution: str
    version: str
    registered: list[Registration] = field(default_factory=list)
    stage: str | None = None
    cause: str | None = None
    off: str | None = None
    deprecations: list[str] = field(default_factory=list)
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether what it offers is there."""
        return self.cause is None and self.off is None

    @property
    def status(self) -> str:
        if self.off is not None:
            return f"disabled ({self.off})"
        if self.cause is not None:
            return f"broken at {self.stage}: {self.cause}"
        return "; ".join(["ok", *(f"deprecated: {each}" for each in self.deprecations)])


class Catalog:
    """All components of all healthy plugins, and a report for every plugin."""

    def __init__(self, reports: Iterable[PluginReport]) -> None:
        self.reports = tuple(reports)
        self._by_kind: dict[Kind, dict[str, Registration]] = {kind: {} for kind in Kind}
        for report in self.reports:
            for registration in report.registered:
                self._by_kind[registration.kind][registration.name] = registration

    @property
    def broken(self) -> tuple[PluginReport, ...]:
        """The plugins that cannot be loaded; disabled ones are not among them."""
        return tuple(report for report in self.reports if report.cause is not None)

    def all(self, kind: Kind) -> tuple[Registration, ...]:
        return tuple(self._by_kind[kind].values())

    def find(self, kind: Kind, name: str) -> Registration | None:
        return self._by_kind[kind].get(name)

    def get(self, kind: Kind, name: str, *, where: str | None = None) -> Registration:
        """The component called ``name``.

        Raises:
            ConfigError: there is none; the message suggests the nearest name.
        """
        found = self.find(kind, name)
        if found is None:
            raise unknown(kind.label, name, self._by_kind[kind], where=where)
        return found


def unknown(
    what: str,
    name: str,
    names: Iterable[str],
    where: str | None = None,
    see: str | None = None,
    *,
    listed: bool = False,
) -> ConfigError:
    """The error for a name that does not exist, with the nearest one that does.

    Args:
        see: the command that lists the names, by default the noun's own.
        listed: the error lists them itself; for a few.
    """
    names = list(names)
    otherwise = f"see {see or f'`harness {what.split()[-1]}s list`'}"
    if listed:
        otherwise = f"there are: {', '.join(names)}"
    hint = did_you_mean(name, names, otherwise)
    if what in _OFFERED:
        hint = (_absent(name) or hint) + disabled_too()
    return ConfigError(f"unknown {what} {name!r}", where=where, hint=hint)


_OFFERED = {*(kind.label for kind in Kind), "model", "suite", "loader", "reader"}
"""What plugins offer, in the words of messages."""


@cache
def installed() -> Catalog:
    """The catalog of this environment's plugins; from now on `terminal.echo` alone has stdout.

    Raises:
        ConfigError: the list of disabled plugins, or `switches.ALLOWED`, is wrong.
    """
    give_away()
    found, off = plugins(), switches.read()
    off.check(each.plugin for each in found)
    return discover(found, off)


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin as its distribution's metadata have it; `load` alone imports it."""

    plugin: switches.Plugin
    version: str
    point: EntryPoint

    @property
    def bundled(self) -> bool:
        return self.plugin.distribution == BUNDLED


def plugins() -> list[Installed]:
    """What is installed, the bundled distribution's first, then by distribution and name."""
    return plugins_of(distributions())


def plugins_of(found: Iterable[Distribution]) -> list[Installed]:
    """The plugins of distributions, each once: an editable install can be seen twice on the path.

    The first sighting counts.
    """
    seen: dict[tuple[bool, str, str, str], Installed] = {}
    for distribution in found:
        points = distribution.entry_points.select(group=GROUP)
        if not points:
            continue  # its metadata, long files, are not read
        facts = distribution.metadata
        name, version = facts["Name"] or "?", facts["Version"] or "?"
        for point in points:
            each = Installed(switches.Plugin(name, point.name), version, point)
            seen.setdefault((not each.bundled, name, point.name, point.value), each)
    return [seen[key] for key in sorted(seen)]


def disabled_too() -> str:
    """What to add to a message that something is not offered: which plugins are disabled."""
    off = switches.read()
    found = plugins() if off.any else []
    names = [each.plugin.name for each in found if off.off(each.plugin, bundled=each.bundled)]
    return f" (disabled plugins: {', '.join(names)})" if names else ""


def _absent(name: str) -> str | None:
    """What to do about a name that a plugin would offer if something were installed."""
    known = {prefix: do for report in installed().reports for prefix, do in report.absent.items()}
    return next((do for prefix, do in known.items() if name.startswith(prefix)), None)


def discover(found: Iterable[Installed], off: switches.Switches = switches.NONE) -> Catalog:
    """Load every plugin within its own ``try``; a broken one takes down only itself.

    Args:
        off: what is not loaded.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    reports: list[PluginReport] = []
    taken: dict[tuple[Kind, str], Registration] = {}
    for each in found:
        report = PluginReport(each.plugin.name, each.plugin.distribution, each.version)
        reports.append(report)
        report.off = off.off(each.plugin, bundled=each.bundled)
        if report.off is None:
            who, limit = f"plugin {report.name}", _patience(bundled=each.bundled)
            with speaking(who), watched(who, limit):
                _load(manager, each.point, report, taken)
        for registration in report.registered:
            taken[registration.kind, registration.name] = registration
    return Catalog(reports)


def _load(
    manager: pluggy.PluginManager,
    point: EntryPoint,
    report: PluginReport,
    taken: dict[tuple[Kind, str], Registration],
) -> None:
    """Import, check the API version, register with pluggy, validate, and call the hooks.

    The manager has one plugin at a time, so that one that raises stops no other.
    """
    name = f"{report.distribution}:{point.name}"
    stage = "import"
    try:
        module = point.load()
        stage = "API check"
        check_api(module)
        stage = "registration"
        _register(manager, module, name, report)
        stage = "hooks"
        _call_hooks(manager, report, taken)
        stage = "HARNESS_ABSENT"
        report.absent = check_absent(getattr(module, "HARNESS_ABSENT", {}))
    # SystemExit too: a plugin that calls exit() at import must not end the command.
    except BaseException as error:
        stop_if_asked()
        show(error)
        report.stage, report.cause = stage, _cause(error)
        report.registered.clear()
    finally:
        if manager.has_plugin(name):
            manager.unregister(name=name)


def _register(manager: pluggy.PluginManager, module: Any, name: str, report: PluginReport) -> None:
    """Register with pluggy and validate; what the plugin uses that will go is noted, and warned of.

    Python shows a `DeprecationWarning` to who runs the plugin's tests, not to its users.
    """
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always")
        manager.register(module, name=name)
    manager.check_pending()
    for warning in noticed:
        report.deprecations.append(" ".join(str(warning.message).split()))
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _call_hooks(
    manager: pluggy.PluginManager,
    report: PluginReport,
    taken: Mapping[tuple[Kind, str], Registration],
) -> None:
    """Call the hooks of the plugin that is registered."""
    mine: dict[tuple[Kind, str], Registration] = {}
    for kind in Kind:

        def register(
            name: str, target: str, *, version: str, summary: str, kind: Kind = kind
        ) -> None:
            check_offer(kind, name, target, version, summary)
            offer = Registration(
                kind, name, target, version, summary, report.name, report.distribution
            )
            other = taken.get((kind, name)) or mine.get((kind, name))
            if other is not None:
                raise ValueError(
                    f"{kind.label} {name!r} is offered by {other.plugin} ({other.distribution}) "
                    f"and by {report.name} ({report.distribution}): rename one or remove a plugin"
                )
            report.registered.append(offer)
            mine[kind, name] = offer

        getattr(manager.hook, kind.hook)(register=register)


def _cause(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
