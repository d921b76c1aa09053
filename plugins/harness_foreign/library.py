"""A library whose attacks are registered by name, where it is installed. No import of it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.api import Register
from harness_foreign.entry import Table, read

ADAPTERS = "1"
"""The adapters' own version: a new one changes every key."""


@dataclass(frozen=True, slots=True)
class Library:
    """Another library of attacks.

    Attributes:
        prefix: what its attacks' names begin with, before a colon; also the extra's name.
        distribution: what pip calls it.
        package: what Python imports.
        adapter: our package, whose module ``attacks`` makes the classes.
    """

    prefix: str
    distribution: str
    package: str
    adapter: str

    @property
    def path(self) -> Path:
        """The checked-in table."""
        return Path(__file__).parents[1] / self.adapter / "table.json"

    def table(self) -> Table:
        return _read(self.path)

    def version(self) -> str | None:
        """The installed version; None: it is not installed."""
        if importlib.util.find_spec(self.package) is None:
            return None
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return "unknown"

    def absent(self) -> dict[str, str]:
        """What to say of the attacks' names where the library is not installed."""
        if self.version() is not None:
            return {}
        extra = f"frontier-harness[{self.prefix}]"
        return {f"{self.prefix}:": f"install {extra} and {self.distribution}: docs/adapters.md"}

    def offer(self, register: Register) -> None:
        """Register every attack of the table, if the library is installed."""
        found = self.version()
        if found is None:
            return
        for entry in self.table().entries:
            register(
                f"{self.prefix}:{entry.name}",
                f"{self.adapter}.attacks:{entry.name}",
                version=f"{ADAPTERS}+{self.distribution}-{found}",
                summary=f"{self.prefix}'s {entry.summary}",
            )


@cache
def _read(path: Path) -> Table:
    return read(path)
