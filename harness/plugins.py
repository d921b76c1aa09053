"""Plugins: found through entry points, loaded one at a time, each within its own walls."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

import pluggy

from harness import hookspecs
from harness.api import API_VERSION, ConfigError, PluginError, did_you_mean
from harness.contained import contained
from harness.signals import stop_if_asked
from harness.terminal import give_away, speaking

GROUP = "harness"
BUNDLED = "frontier-harness"


class Kind(StrEnum):
    """The kinds of component; each has its hook ``register_<kind>s``."""

    ATTACK = "attack"
    MODEL_LOADER = "model_loader"
    DATASET = "dataset"
    METRIC = "metric"
    MEASUREMENT = "measurement"
    EXECUTOR = "executor"


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

    def load(self) -> Any:
        """The class behind ``target``.

        Raises:
            PluginError: it cannot be imported.
        """
        module, _, attribute = self.target.partition(":")
        try:
            with speaking(f"plugin {self.plugin}"), contained("it"):
                return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"{self.kind} {self.name!r} cannot be imported from {self.target}: {_cause(error)}",
                where=f"plugin {self.plugin} ({self.distribution})",
                hint="reinstall or remove the plugin",
            ) from error


@dataclass(slots=True)
class PluginReport:
    """What became of one entry point. ``stage`` and ``cause`` are set when it is broken."""

    name: str
    distribution: str
    version: str
    registered: list[Registration] = field(default_factory=list)
    stage: str | None = None
    cause: str | None = None

    @property
    def ok(self) -> bool:
        return self.cause is None

    @property
    def status(self) -> str:
        return "ok" if self.ok else f"broken at {self.stage}: {self.cause}"


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
        return tuple(report for report in self.reports if not report.ok)

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
            raise unknown(kind.value.replace("_", " "), name, self._by_kind[kind], where=where)
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
    return ConfigError(f"unknown {what} {name!r}", where=where, hint=hint)


@cache
def installed() -> Catalog:
    """The catalog of this environment's plugins; from now on `terminal.echo` alone has stdout."""
    give_away()
    return discover(_entry_points())


def _entry_points() -> list[tuple[EntryPoint, Distribution]]:
    """The group's entry points, the bundled distribution's first, then by distribution and name.

    An editable install can be seen twice on the path: the first sighting counts.
    """
    found: dict[tuple[str, str, str], tuple[EntryPoint, Distribution]] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"] or "?"
        for point in distribution.entry_points.select(group=GROUP):
            found.setdefault((name, point.name, point.value), (point, distribution))
    order = sorted(found, key=lambda key: (key[0] != BUNDLED, *key))
    return [found[key] for key in order]


def discover(points: Iterable[tuple[EntryPoint, Distribution]]) -> Catalog:
    """Load every entry point within its own ``try``; a broken one takes down only itself."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    reports: list[PluginReport] = []
    taken: dict[tuple[Kind, str], Registration] = {}
    for point, distribution in points:
        report = PluginReport(point.name, distribution.metadata["Name"], distribution.version)
        reports.append(report)
        with speaking(f"plugin {point.name}"):
            _load(manager, point, report, taken)
        for registration in report.registered:
            taken[registration.kind, registration.name] = registration
    return Catalog(reports)


def _load(
    manager: pluggy.PluginManager,
    point: EntryPoint,
    report: PluginReport,
    taken: dict[tuple[Kind, str], Registration],
) -> None:
    """Import, check the API version, register with pluggy, validate, and call the hooks."""
    name = f"{report.distribution}:{point.name}"
    stage = "import"
    try:
        module = point.load()
        stage = "API check"
        _check_api(module)
        stage = "registration"
        _register(manager, module, name)
        stage = "hooks"
        _call_hooks(manager, module, report, taken)
    # SystemExit too: a plugin that calls exit() at import must not end the command.
    except BaseException as error:
        stop_if_asked()
        report.stage, report.cause = stage, _cause(error)
        report.registered.clear()
        if manager.has_plugin(name):
            manager.unregister(name=name)


def _check_api(module: Any) -> None:
    declared = getattr(module, "HARNESS_API", None)
    if declared != API_VERSION:
        raise ValueError(
            f"HARNESS_API is {declared!r}, this harness needs {API_VERSION}: update the plugin"
        )


def _register(manager: pluggy.PluginManager, module: Any, name: str) -> None:
    manager.register(module, name=name)
    manager.check_pending()


def _call_hooks(
    manager: pluggy.PluginManager,
    module: Any,
    report: PluginReport,
    taken: dict[tuple[Kind, str], Registration],
) -> None:
    """Call this plugin's hooks alone, so that one that raises stops no other."""
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    for kind in Kind:

        def register(
            name: str, target: str, *, version: str, summary: str, kind: Kind = kind
        ) -> None:
            offer = Registration(
                kind, name, target, version, summary, report.name, report.distribution
            )
            mine = {(item.kind, item.name): item for item in report.registered}
            other = taken.get((kind, name)) or mine.get((kind, name))
            if other is not None:
                raise ValueError(
                    f"{kind} {name!r} is offered by {other.plugin} ({other.distribution}) and by "
                    f"{report.name} ({report.distribution}): rename one or remove a plugin"
                )
            report.registered.append(offer)

        manager.subset_hook_caller(f"register_{kind}s", others)(register=register)


def _cause(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
