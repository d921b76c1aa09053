"""How much a YAML file may hold, found out from its events: before anything is built from it.

A few hundred bytes of nested aliases or merge keys stand for billions of values, and parsers that
build by recursion end the process on deep nesting.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError

BYTES = 16 * 1024**2
VALUES = 200_000
DEEPEST = 50


def check_bounds(text: str, path: Path, loader: Any) -> None:
    """Refuse what is too large or too deep with its aliases written out, or contains itself.

    Raises:
        ConfigError: it does. yaml.YAMLError: the text is no YAML.
    """
    tree = _Tree(path)
    for event in yaml.parse(text, Loader=loader):
        tree.take(event)


@dataclass(slots=True)
class _Size:
    """A value with its aliases written out: how many values it is, how many levels are in it."""

    values: int = 1
    height: int = 0


@dataclass(slots=True)
class _Block:
    """A mapping or list that is still open; ``line`` is where it began."""

    anchor: str | None
    line: int
    size: _Size


class _Tree:
    """The sizes of all values, as their events come."""

    def __init__(self, path: Path) -> None:
        self._path, self._total = path, 0
        self._open: list[_Block] = []
        self._anchored: dict[str, _Size] = {}

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            self._count(_Size(), line)
            self._open.append(_Block(event.anchor, line, _Size()))
        elif isinstance(event, yaml.CollectionEndEvent):
            block = self._open.pop()
            self._add(block.anchor, block.size)
        elif isinstance(event, yaml.AliasEvent):
            size = self._aliased(event.anchor)
            self._count(size, line)
            self._add(None, size)
        elif isinstance(event, yaml.ScalarEvent):
            self._count(_Size(), line)
            self._add(event.anchor, _Size())

    def _add(self, anchor: str | None, size: _Size) -> None:
        """A value is complete."""
        if anchor:
            self._anchored[anchor] = size
        if self._open:
            around = self._open[-1].size
            around.values += size.values
            around.height = max(around.height, size.height + 1)

    def _aliased(self, anchor: str | None) -> _Size:
        for block in self._open:
            if block.anchor == anchor:
                raise self._refusal("an alias contains itself", block.line, "write the value out")
        return self._anchored.get(anchor or "", _Size())  # the parser blames an unknown one

    def _count(self, size: _Size, line: int) -> None:
        self._total += size.values
        if len(self._open) + size.height > DEEPEST:
            raise self._refusal("nested too deeply", line, "write the value out")
        if self._total > VALUES:
            what = f"holds more than {VALUES:,} values with its aliases written out"
            raise self._refusal(what, line, "split the file, or use fewer aliases")

    def _refusal(self, what: str, line: int, hint: str) -> ConfigError:
        return ConfigError(what, where=f"{self._path}:{line}", hint=hint)
