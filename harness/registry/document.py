"""One YAML file, read safely, that remembers the line of everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError

# The C parser is some ten times faster; wheels of PyYAML have it, source builds may not.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_DEEPEST = 50

Loc = Sequence[str | int]


class Document:
    """A YAML file whose top level is a mapping, and whose keys are text and unique.

    Attributes:
        path: the file, as it was named.
        data: its content, plain Python objects.
    """

    def __init__(self, path: Path) -> None:
        """Read ``path``.

        Raises:
            ConfigError: the file is missing or unreadable, not UTF-8, not YAML, or its keys are
                not unique text.
        """
        self.path = path
        loader = _Loader(_text(path))
        try:
            root = loader.get_single_node()
            _check(root, str(path))
            # Constructing merges ``<<`` keys into the nodes; `line` then finds them there.
            self.data: dict[str, Any] = loader.construct_document(root)
        except yaml.YAMLError as error:
            raise _syntax_error(error, path) from error
        except ValueError as error:  # a date such as 2020-13-01
            raise ConfigError(str(error), where=str(path), hint="put dates in quotes") from error
        finally:
            loader.dispose()
        self._root = root

    def line(self, loc: Loc) -> int:
        """The 1-based line of ``loc``, a path of keys and list positions.

        The line of a mapping's entry is its key's. Where the path leads nowhere, the line of the
        last thing on it counts.
        """
        node, line = self._root, self._root.start_mark.line
        for step in loc:
            inner = _child(node, step)
            if inner is None:
                break
            node, line = inner
        return int(line) + 1

    def where(self, loc: Loc) -> str:
        """``file:line: dotted.path``, for messages."""
        return f"{self.path}:{self.line(loc)}: {dotted(loc)}"


def dotted(loc: Loc) -> str:
    """A path as people write it: ``suites.digits18.attacks[0].goals``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)[1:]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            "no such registry file", where=str(path), hint="check the path after --registry"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"cannot read the registry file: {error.strerror}",
            where=str(path),
            hint="name a readable YAML file",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            "not UTF-8 text", where=f"{path}:{line}", hint="save the file as UTF-8"
        ) from error


def _check(root: yaml.Node | None, file: str) -> None:
    """The top level is a mapping; keys are unique text; nothing contains itself."""
    if not isinstance(root, yaml.MappingNode):
        line = 1 if root is None else root.start_mark.line + 1
        found = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}
        raise ConfigError(
            f"the top level is {'empty' if root is None else found[type(root)]}, not a mapping",
            where=f"{file}:{line}",
            hint="start with the sections models:, datasets: or suites:",
        )
    _walk(root, file, (), set())


def _walk(node: yaml.Node, file: str, above: tuple[int, ...], done: set[int]) -> None:
    if id(node) in above or len(above) > _DEEPEST:
        raise ConfigError(
            "an alias contains itself" if id(node) in above else "nested too deeply",
            where=f"{file}:{node.start_mark.line + 1}",
            hint="write the value out",
        )
    if id(node) in done:  # an alias: seen where it was anchored
        return
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, file)
        inner = [value for _, value in node.value]
    else:
        inner = node.value if isinstance(node, yaml.SequenceNode) else []
    for value in inner:
        _walk(value, file, (*above, id(node)), done)
    done.add(id(node))


def _check_keys(node: yaml.MappingNode, file: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag not in (_TEXT, _MERGE):
            shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "that is not a scalar"
            raise ConfigError(
                f"key {shown} is not text", where=f"{file}:{line}", hint="put it in quotes"
            )
        if key.value in lines:
            raise ConfigError(
                f"duplicate key {key.value!r}, first on line {lines[key.value]}",
                where=f"{file}:{line}",
                hint="remove or rename one of them",
            )
        lines[key.value] = line


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    """The node under ``step`` and its 0-based line."""
    if isinstance(node, yaml.MappingNode):
        # A merge puts the merged pairs first: the last one counts.
        for key, value in reversed(node.value):
            if key.value == step:
                return value, key.start_mark.line
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return None


def _syntax_error(error: yaml.YAMLError, path: Path) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return ConfigError(f"not valid YAML: {problem}", where=where, hint="correct the file's syntax")
