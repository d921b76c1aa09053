"""The components of a distribution, with the examples that its plugins give of them."""

from __future__ import annotations

import importlib
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from harness.api import ConfigError, PluginError
from harness.api.examples import Example, Examples
from harness.contained import cause, contained
from harness.plugins import GROUP, Catalog, Registration, unknown
from harness.testing.conformance.rule import NotChecked

PLUGIN = "plugin"
"""The kind of a plugin as a whole, beside those of its components."""

_Kind = TypeVar("_Kind", bound=Example)
Given = Example | Callable[[Path], Example] | None


class Component:
    """One component with one example of it.

    Args:
        given: the example, or what makes it; None: there is none.

    Attributes:
        name: the component's, and which example it is where it has several.
    """

    def __init__(self, registration: Registration, given: Given = None, *, name: str = "") -> None:
        self.registration, self._given = registration, given
        self.kind: str = registration.kind
        self.name = name or registration.name

    @cached_property
    def folder(self) -> Path:
        """An empty folder, as long as the component is in use."""
        self._folder = tempfile.TemporaryDirectory(prefix="harness-conformance-")
        return Path(self._folder.name)

    def example(self, kind: type[_Kind]) -> _Kind | None:
        """Its example.

        Raises:
            PluginError: it is of another kind, or making it failed.
        """
        if self._example is not None and not isinstance(self._example, kind):
            raise PluginError(
                f"the example of {self.kind}:{self.name} is {type(self._example).__name__},"
                f" not {kind.__name__}"
            )
        return self._example

    def needed(self, kind: type[_Kind]) -> _Kind:
        """Its example, without which nothing can be checked."""
        found = self.example(kind)
        if found is None:
            raise NotChecked(f"there is no {kind.__name__} of it in HARNESS_EXAMPLES")
        return found

    @cached_property
    def _example(self) -> Example | None:
        if not callable(self._given):
            return self._given
        try:
            with contained("it"):
                return self._given(self.folder)
        except NotChecked:
            raise
        except ImportError as error:
            raise NotChecked(f"its example needs {error.name}, which is not installed") from error
        except Exception as error:
            raise PluginError(f"its example cannot be made: {cause('it', error)}") from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which components of a distribution are checked; None: all.

    Attributes:
        name: a glob; after an exclamation mark, of those that are not.
    """

    kind: str | None = None
    name: str | None = None

    def fits(self, kind: str, name: str) -> bool:
        glob = self.name or "*"
        fitting = fnmatchcase(name, glob.removeprefix("!")) != glob.startswith("!")
        return fitting and self.kind in (None, kind)


def components(
    catalog: Catalog, distribution: str, wanted: Wanted, examples: Examples | None = None
) -> Iterator[Component]:
    """The components that ``distribution`` registers, once for each example.

    Args:
        examples: beside, and before, those that its plugins name.

    Raises:
        ConfigError: it has no plugin. PluginError: its examples cannot be imported.
    """
    reports = reports_of(catalog, distribution)
    given: dict[str, Any] = {}
    for report in reports:
        if report.ok:
            given.update(declared_examples(distribution, report.name))
    given.update(examples or {})
    for report in reports:
        for registration in report.registered:
            if not wanted.fits(registration.kind, registration.name):
                continue
            found = given.get(f"{registration.kind}:{registration.name}")
            several = found if isinstance(found, Sequence) else [found]
            for number, each in enumerate(several, start=1):
                name = registration.name + (f" ({number})" if len(several) > 1 else "")
                yield Component(registration, each, name=name)


def reports_of(catalog: Catalog, distribution: str) -> list[Any]:
    """What became of the plugins of ``distribution``; ConfigError where it has none."""
    found = [each for each in catalog.reports if _same(each.distribution, distribution)]
    if not found:
        names = sorted({each.distribution for each in catalog.reports})
        raise unknown(
            "distribution with plugins", distribution, names, see="`harness plugins list`"
        )
    return found


def entry_module(distribution: str, plugin: str) -> str:
    """The module behind a plugin's entry point."""
    points = importlib.metadata.distribution(distribution).entry_points
    (point,) = {each.module for each in points.select(group=GROUP, name=plugin)}
    return point


def declared_examples(distribution: str, plugin: str) -> Examples:
    """The examples that a plugin's module names in ``HARNESS_EXAMPLES``."""
    module = entry_module(distribution, plugin)
    where = f"plugin {plugin} ({distribution})"
    target = getattr(importlib.import_module(module), "HARNESS_EXAMPLES", None)
    if target is None:
        return {}
    try:
        name, _, attribute = target.partition(":")
        with contained("it"):
            found = getattr(importlib.import_module(name), attribute)
    except Exception as error:
        raise PluginError(
            f"HARNESS_EXAMPLES {target!r} cannot be imported: {cause('it', error)}", where=where
        ) from error
    return checked_examples(found, where)


def checked_examples(found: object, where: str) -> Examples:
    """``found`` if it is a mapping with names of components."""
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise PluginError(
            "HARNESS_EXAMPLES is not a mapping",
            where=where,
            hint="map `KIND:NAME`, such as attack:acme-noise, to an example",
        )
    return found


def examples_in(file: Path) -> Examples:
    """``HARNESS_EXAMPLES`` of a Python file, such as a test's."""
    import runpy

    try:
        with contained("it"):
            found = runpy.run_path(str(file)).get("HARNESS_EXAMPLES")
    except FileNotFoundError as error:
        raise ConfigError(f"{file} is not there", where="--examples") from error
    except Exception as error:
        raise ConfigError(f"{file}: {cause('it', error)}", where="--examples") from error
    return checked_examples(found, f"--examples {file}")


def _same(one: str, other: str) -> bool:
    """Names of distributions, as Python's packaging compares them."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
