"""Errors that a user sees: one line that says what happened, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

LONGEST = 600
"""Characters of each part of a message; what is longer loses its middle."""


class ExitCode(IntEnum):
    """Exit codes of every ``harness`` command."""

    OK = 0
    """Everything asked for is done."""
    CELLS_FAILED = 1
    """Some cells failed or hold invalid images; the rest is stored."""
    USAGE = 2
    """The command line or the registry is wrong."""
    MISSING = 3
    """Something required is missing: weights, data."""
    PLUGIN = 4
    """A plugin that the command needs is broken."""
    STORE = 5
    """The database is busy or unusable."""
    INTERRUPTED = 130
    """Interrupted; the same command resumes."""


class HarnessError(Exception):
    """An expected failure.

    ``what`` happened, ``where`` (file, line, field, plugin), and what to do (``hint``). ``str()``
    is the one line shown to the user. Each part is one line of `LONGEST` characters at most.
    """

    exit_code = ExitCode.CELLS_FAILED

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = (
            _short(what),
            where and _short(where),
            hint and _short(hint),
        )
        line = f"{self.where}: {self.what}" if where else self.what
        super().__init__(f"{line}; {self.hint}" if hint else line)


def _short(text: str) -> str:
    """``text`` in one line, without its middle where it is too long: a cause may quote a file.

    What cannot be encoded, such as the bytes of a file's name, is shown as an escape.
    """
    if len(text) > LONGEST:
        half = LONGEST // 2
        text = f"{text[:half]} [...] {text[-half:]}"
    return " ".join(text.encode(errors="backslashreplace").decode().split())


def did_you_mean(name: str, names: Iterable[str], otherwise: str) -> str:
    """The hint for a name that does not exist: the nearest one that does, or else ``otherwise``."""
    import difflib

    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else otherwise


class ConfigError(HarnessError):
    """The command line, the registry or an attack's parameters are wrong."""

    exit_code = ExitCode.USAGE


class MissingError(HarnessError):
    """Weights or data that the work needs are not there, or are not what the registry names."""

    exit_code = ExitCode.MISSING


class PluginError(HarnessError):
    """A plugin, or an attack, loader, dataset or metric of one, broke its contract."""

    exit_code = ExitCode.PLUGIN


class StoreError(HarnessError):
    """The database is busy, unreadable, full or from a newer version."""

    exit_code = ExitCode.STORE


class ModelError(HarnessError):
    """A model cannot be loaded or used: wrong graph, wrong weights, NaN logits."""


class DataError(HarnessError):
    """One image cannot be read."""
