"""With --debug: where what a plugin raised came from, beside the one line that is said of it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import HarnessError
from harness.terminal import echo

VARIABLE = "HARNESS_DEBUG"
"""Its environment variable, which the processes of a run inherit."""

_shown: set[tuple[str, str, int | None]] = set()


def wanted() -> bool:
    """Whether tracebacks are asked for."""
    return bool(os.environ.get(VARIABLE))


@contextmanager
def asked_for(wish: bool) -> Iterator[None]:
    """Within the block, and in processes that are started there, they are, if that is the wish."""
    if not wish or wanted():
        yield
        return
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        _shown.clear()


def show(error: BaseException) -> None:
    """Print where ``error`` was raised, once for each place, if that is asked for.

    Of an error of ours its cause is shown, if it has one.
    """
    if not wanted():
        return
    while isinstance(error, HarnessError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, HarnessError):
        return
    frames = traceback.extract_tb(error.__traceback__)
    place = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
    key = (type(error).__name__, *place)
    if key not in _shown:
        _shown.add(key)
        echo("".join(traceback.format_exception(error)).rstrip(), err=True)
