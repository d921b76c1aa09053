"""What all plugins share in a process, torch apart: how to read each of it, and to put it back."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that all plugins share.

    Attributes:
        shown: whether its values fit into a line.
        draws: whether it is a state of random numbers, which each draw changes.
        main: whether only the main thread may look at it.
    """

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], None]
    shown: bool = True
    draws: bool = False
    main: bool = False
    same: Callable[[Any, Any], bool] = lambda one, other: bool(one == other)


class Snapshot:
    """Values of ``aspects`` as they are now."""

    def __init__(self, aspects: Iterable[Aspect]) -> None:
        self._before = [(aspect, aspect.get()) for aspect in aspects]

    def put_back(self, *, blame_draws: bool = True) -> list[str]:
        """Put back what is not as it was; what that is, in words."""
        found: list[str] = []
        for aspect, before in self._before:
            now = aspect.get()
            if aspect.same(before, now):
                continue
            aspect.put(before)
            if blame_draws or not aspect.draws:
                shown = f" from {before} to {now}" if aspect.shown else ""
                found.append(f"{aspect.name}{shown}")
        return found


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


def _handlers() -> tuple[Any, ...]:
    return tuple(map(signal.getsignal, _SIGNALS))


def _put_handlers(handlers: tuple[Any, ...]) -> None:
    for number, handler in zip(_SIGNALS, handlers, strict=True):
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _put_folder(folder: Path | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _streams() -> tuple[Any, Any]:
    return sys.stdout, sys.stderr


def _put_streams(streams: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = streams


def _put_errors(handling: Any) -> None:
    np.seterr(**handling)


def _same_numpy(one: dict[str, Any], other: dict[str, Any]) -> bool:
    mine, its = one["state"], other["state"]
    return mine["pos"] == its["pos"] and np.array_equal(mine["key"], its["key"])


PYTHON_ASPECTS = (
    Aspect("the working directory", _folder, _put_folder),
    Aspect("the handlers of signals", _handlers, _put_handlers, shown=False, main=True),
    Aspect("sys.stdout or sys.stderr", _streams, _put_streams, shown=False, main=True),
    Aspect("numpy's error handling", np.geterr, _put_errors, shown=False),
    Aspect(
        "numpy's global random numbers",
        lambda: np.random.get_state(legacy=False),
        np.random.set_state,
        shown=False,
        draws=True,
        main=True,
        same=_same_numpy,
    ),
    Aspect(
        "Python's global random numbers",
        random.getstate,
        random.setstate,
        shown=False,
        draws=True,
        main=True,
    ),
)
