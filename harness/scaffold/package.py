"""Writes a plugin package: templates of text with ``$names`` in them, filled in.

A package is what lies in ``templates/common`` and in the folder of its kind. File names have
``$names`` too, and end with ``.txt`` so that nobody takes a template for what it makes.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import subprocess
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Literal, get_args

from harness.api import API_VERSION, ConfigError
from harness.version import __version__

Kind = Literal[
    "attack",
    "stepped-attack",
    "model",
    "dataset",
    "metric",
    "measurement",
    "executor",
    "finding",
    "command",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Licence = Literal["Apache-2.0", "MIT", "BSD-3-Clause", "none"]
LICENCES: tuple[Licence, ...] = get_args(Licence)

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package to be written.

    Attributes:
        name: of the distribution and of what it registers, such as ``acme-noise``.
        author: whom the licence names.
    """

    name: str
    kind: Kind
    licence: Licence = "Apache-2.0"
    author: str = ""

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    def check(self) -> None:
        """
        Raises:
            ConfigError: the name cannot be a distribution's and a module's, or is another's.
        """
        if not _NAME.fullmatch(self.name) or keyword.iskeyword(self.module):
            raise ConfigError(
                f"{self.name!r} is no name for a package",
                where="plugins new",
                hint="lower-case letters, digits and single hyphens, such as acme-noise",
            )
        if importlib.util.find_spec(self.module) is not None:
            raise ConfigError(
                f"a module {self.module!r} is installed already",
                where="plugins new",
                hint="choose another name, or uninstall it",
            )

    def write(self, folder: Path) -> list[Path]:
        """Write it to ``folder``, which is made; the files, relative to it.

        Raises:
            ConfigError: the name will not do, or the folder is not empty or cannot be written.
        """
        self.check()
        contents = self._contents()
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise ConfigError(
                    "exists and is not an empty folder", where=str(folder), hint="name another one"
                )
            for path, text in contents.items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot be written: {error.strerror}", where=str(folder), hint="name another one"
            ) from error
        return list(contents)

    def _contents(self) -> dict[Path, str]:
        """The text of each file, by its path in the package."""
        names = self._names()
        templates = files("harness.scaffold") / "templates"
        found: dict[Path, str] = {}
        for root in (templates / "common", templates / self.kind):
            for path, file in _texts(root, Path()):
                made = Path(Template(str(path).removesuffix(".txt")).substitute(names))
                found[made] = Template(file.read_text(encoding="utf-8")).substitute(names)
        if self.licence != "none":
            text = files("harness.scaffold") / "licences" / f"{self.licence}.txt"
            found[Path("LICENSE")] = Template(text.read_text(encoding="utf-8")).safe_substitute(
                names
            )
        return found

    def _names(self) -> dict[str, str]:
        words = self.name.split("-")
        licence = '\nlicense = "' + self.licence + '"' if self.licence != "none" else ""
        return {
            "name": self.name,
            "module": self.module,
            "Class": "".join(word.capitalize() for word in words),
            "title": " ".join(words).capitalize(),
            "kind": self.kind,
            "licence": licence,
            "author": self.author or _git_name() or f"the authors of {self.name}",
            "year": str(date.today().year),
            "api": str(API_VERSION),
            "harness": __version__,
        }


def _texts(root: Traversable, path: Path) -> list[tuple[Path, Traversable]]:
    """All templates below ``root``, with their paths from there; in order."""
    found: list[tuple[Path, Traversable]] = []
    for entry in sorted(root.iterdir(), key=lambda entry: entry.name):
        inner = path / entry.name
        if entry.is_dir():
            found += _texts(entry, inner)
        elif entry.name.endswith(".txt"):
            found.append((inner, entry))
    return found


def _git_name() -> str:
    """Who commits here, by git's settings; empty where there is no git."""
    try:
        done = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
