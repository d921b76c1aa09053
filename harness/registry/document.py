"""One YAML file, read safely, that remembers the line of everything in it."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.registry.bounds import BYTES, check_bounds

# The C parser is some ten times faster; wheels of PyYAML have it, source builds may not.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"

Loc = Sequence[str | int]


class _Loader(_Safe):  # type: ignore[misc]
    """The safe loader, which says where a value stands that it cannot make."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # 2020-13-01, !!bool maybe: whatever Python says of the text
            shown = repr(node.value) if isinstance(node, yaml.ScalarNode) else "the value"
            what = f"{shown} is no {node.tag.rpartition(':')[2]} (in quotes it would be text)"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error


class Document:
    """A YAML file whose top level is a mapping, and whose keys are text and unique.

    Attributes:
        path: the file, as it was named.
        data: its content, plain Python objects.
    """

    def __init__(self, path: Path) -> None:
        """Read ``path``.

        Raises:
            ConfigError: the file is missing or unreadable, not UTF-8, not YAML, too large or too
                deep (see `bounds`), or its keys are not unique text.
        """
        self.path = path
        text = _text(path)
        try:
            check_bounds(text, path, _Loader)
            self._root, self.data = _built(text, path)
        except yaml.YAMLError as error:
            raise _syntax_error(error, path) from error

    def line(self, loc: Loc) -> int:
        """The 1-based line of ``loc``, a path of keys and list positions.

        The line of a mapping's entry is its key's. Where the path leads nowhere, the line of the
        last thing on it counts.
        """
        node: yaml.Node = self._root
        line = node.start_mark.line
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
        _check_file(path)
        with path.open("rb") as file:
            return file.read(BYTES).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            "no such registry file", where=str(path), hint="check the path after --registry"
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigError(
                "not UTF-8 text", where=f"{path}:{line}", hint="save the file as UTF-8"
            ) from error
        cause = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"cannot read the registry file: {cause}",
            where=str(path),
            hint="name a readable YAML file",
        ) from error


def _check_file(path: Path) -> None:
    """``path`` is a regular file of a sensible size: a pipe would be waited for, for ever."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise ConfigError(
            f"the registry file is {what}", where=str(path), hint="name a readable YAML file"
        )
    if found.st_size > BYTES:
        raise ConfigError(
            f"the registry file has {found.st_size:,} bytes, more than {BYTES:,}",
            where=str(path),
            hint="name a YAML file, or split it",
        )


def _built(text: str, path: Path) -> tuple[yaml.MappingNode, dict[str, Any]]:
    """The nodes of the file, and their values."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise _no_mapping(root, path)
        _check_keys(root, str(path), set())
        # Constructing merges ``<<`` keys into the nodes; `Document.line` then finds them there.
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


def _no_mapping(root: yaml.Node | None, path: Path) -> ConfigError:
    line = 1 if root is None else root.start_mark.line + 1
    found = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}
    return ConfigError(
        f"the top level is {'empty' if root is None else found[type(root)]}, not a mapping",
        where=f"{path}:{line}",
        hint="start with the sections models:, datasets: or suites:",
    )


def _check_keys(node: yaml.Node, file: str, done: set[int]) -> None:
    """The keys of all mappings are text and unique, and no text holds a NUL."""
    if id(node) in done:  # an alias: seen where it was anchored
        return
    done.add(id(node))
    inner = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        _check_own_keys(node, file)
        inner = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.ScalarNode) and "\0" in node.value:
        raise ConfigError(
            "the text holds a NUL", where=f"{file}:{node.start_mark.line + 1}", hint="remove it"
        )
    for value in inner:
        _check_keys(value, file, done)


def _check_own_keys(node: yaml.MappingNode, file: str) -> None:
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
