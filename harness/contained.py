"""What a plugin raises: its own error, whatever the class, unless the user has asked to stop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from operator import index
from typing import SupportsFloat, SupportsIndex

from harness.api import (
    Attack,
    AttackParameters,
    CellRows,
    CompositeAttack,
    Metric,
    Score,
    SteppedAttack,
)
from harness.errors import HarnessError, PluginError
from harness.overdue import Overdue, overseer
from harness.signals import stop_if_asked
from harness.traces import show

MOST_IMAGES = 2**62
"""More than any database counts."""


@contextmanager
def contained(who: str) -> Iterator[None]:
    """Around a call into a plugin: a `KeyboardInterrupt`, `SystemExit` or `GeneratorExit` of its
    own becomes a `PluginError` of ``who``; the user's Ctrl-C goes on, also if it was swallowed.
    """
    try:
        yield
    except Exception:
        stop_if_asked()
        raise
    except BaseException as error:
        if isinstance(error, Overdue):
            overseer.end()
        stop_if_asked()
        raise PluginError(cause(who, error)) from error
    stop_if_asked()


def cause(who: str, error: BaseException) -> str:
    """One line: an error of ours as it is, any other one as what ``who`` raised.

    With --debug its traceback is printed.
    """
    show(error)
    if isinstance(error, HarnessError):
        return str(error)
    if isinstance(error, Overdue):
        return f"{who} made {error}"
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{who} raised {said}"


def scored(metric: Metric, cell: CellRows) -> Score:
    """What ``metric`` makes of a cell, as a float and an int.

    Raises:
        PluginError: it returned something else, or raised what is no `Exception`. Exception: what
        it raised.
    """
    with contained("it"):
        score = metric.score(cell)
    if not isinstance(score, Score):
        raise PluginError(f"it returned {type(score).__name__}, not a Score")
    value = None if score.value is None else _number(score.value)
    if isinstance(score.images, bool) or not isinstance(score.images, SupportsIndex):
        raise PluginError(f"its number of images is {type(score.images).__name__}, not an int")
    images = index(score.images)
    if not 0 <= images <= MOST_IMAGES:
        raise PluginError("its number of images is not one")
    return Score(value, images)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        raise PluginError(f"its value is {type(value).__name__}, not a float")
    try:
        number = float(value)
    except OverflowError as error:
        raise PluginError("its value is larger than any float") from error
    if math.isnan(number):
        raise PluginError("its value is NaN")
    return number


def checked_members(attack: CompositeAttack) -> tuple[AttackParameters, ...]:
    """The members of ``attack``.

    Raises:
        PluginError: it has none, or something else among them. Exception: what it raised.
    """
    members = tuple(attack.members())
    for each in members:
        if not isinstance(each, Attack | SteppedAttack | CompositeAttack):
            raise PluginError(f"its member is {type(each).__name__}, not an attack")
    if not members:
        raise PluginError("it has no members")
    return members
