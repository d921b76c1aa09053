"""Which of the installed plugins are loaded: the user's list of disabled ones, and an allow list.

Nothing here imports a plugin, so that one that hangs or kills the process can be disabled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError

ALLOWED = "HARNESS_PLUGINS"
"""The variable that names the plugins to load beside the bundled ones; the file is then not read.

Names are separated by commas or spaces; none means the bundled plugins alone.
"""

_HEADER = "# Plugins that are not loaded, one a line, as DISTRIBUTION:NAME.\n"


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin as its distribution's metadata name it."""

    distribution: str
    name: str

    def __str__(self) -> str:
        return f"{self.distribution}:{self.name}"

    @property
    def key(self) -> str:
        """As the list of disabled plugins has it: ``Acme_Tools`` and ``acme-tools`` are one."""
        return f"{re.sub(r'[-_.]+', '-', self.distribution).lower()}:{self.name}"

    def called(self, name: str) -> bool:
        """Whether ``name``, with or without the distribution, means this one."""
        distribution, _, own = name.rpartition(":")
        return own == self.name and (not distribution or Plugin(distribution, own).key == self.key)


@dataclass(frozen=True, slots=True)
class Switches:
    """What is switched off.

    Attributes:
        allowed: what `ALLOWED` names; None: it is not set.
        disabled: keys of the user's list.
    """

    allowed: tuple[str, ...] | None = None
    disabled: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """Whether anything may be off."""
        return self.allowed is not None or bool(self.disabled)

    def off(self, plugin: Plugin, *, bundled: bool) -> str | None:
        """Why ``plugin`` is not loaded, with what to do; None: it is."""
        if self.allowed is not None:
            named = bundled or any(plugin.called(name) for name in self.allowed)
            return None if named else f"not in {ALLOWED}"
        if plugin.key in self.disabled:
            return f"harness plugins enable {plugin.name}"
        return None

    def check(self, plugins: Iterable[Plugin]) -> None:
        """Check that the allow list names installed plugins: a wrong name would go unnoticed.

        Raises:
            ConfigError: it names another one.
        """
        installed = list(plugins)
        for name in self.allowed or ():
            if not any(plugin.called(name) for plugin in installed):
                raise ConfigError(
                    f"plugin {name!r} is not installed",
                    where=ALLOWED,
                    hint=f"installed are: {', '.join(map(str, installed))}",
                )


NONE = Switches()
"""All plugins are loaded."""


def file() -> Path:
    """The list of disabled plugins, in the user's configuration folder."""
    folder = os.environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "frontier-harness" / "disabled"


def read() -> Switches:
    """What is switched off now.

    Raises:
        ConfigError: the list cannot be read.
    """
    named = os.environ.get(ALLOWED)
    if named is not None:
        return Switches(allowed=tuple(re.findall(r"[^\s,]+", named)))
    return Switches(disabled=frozenset(_lines()))


def listed() -> list[Plugin]:
    """The plugins on the list of disabled ones, installed or not.

    Raises:
        ConfigError: the list cannot be read.
    """
    return [Plugin(*line.rpartition(":")[::2]) for line in _lines()]


def write(plugin: Plugin, *, disabled: bool) -> None:
    """Put ``plugin`` on the list of disabled ones, or take it off.

    Raises:
        ConfigError: the list cannot be read or written.
    """
    keys = (set(_lines()) - {plugin.key}) | ({plugin.key} if disabled else set())
    path = file()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(_HEADER + "".join(f"{key}\n" for key in sorted(keys)), "utf-8")
        part.replace(path)
    except OSError as error:
        raise _unusable(error, "written") from error


def _lines() -> list[str]:
    try:
        lines = file().read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(error, "read") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _unusable(error: OSError | UnicodeDecodeError, done: str) -> ConfigError:
    cause = error.strerror if isinstance(error, OSError) else "it is not text"
    return ConfigError(
        f"the list of disabled plugins cannot be {done}: {cause}",
        where=str(file()),
        hint="correct or remove the file",
    )
