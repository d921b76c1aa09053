"""What `peers.py` compares beside the study's attacks: a table of contests.

A contest is a few of our attacks and the same of other libraries, with the same passes and goals.
Each family has a module of its own, ``contest_*.py``, with its ``CONTESTS``; `every` gathers them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rivals import Rival

from harness.api import SteppedAttack


@dataclass(frozen=True)
class Contest:
    """Attacks that are to do the same.

    Attributes:
        name: what ``--only`` matches, such as ``fmn-linf``.
        norm: the norm whose mean over the images that all broke is printed: linf, l2, l1 or l0.
        pairs: forward passes with a backward pass of the nominal budget.
        forwards: those without one.
        ours: our attacks by a name that begins with ``harness``.
        rivals: the others, by a name that begins with the library's and a comma.
        goals: ``random targets``, ``untargeted`` or both.
    """

    name: str
    norm: str
    pairs: int
    ours: Mapping[str, SteppedAttack]
    rivals: Mapping[str, Rival]
    forwards: int = 0
    goals: tuple[str, ...] = ("random targets", "untargeted")


def every(only: str) -> Iterator[Contest]:
    """The contests of all modules whose names match the glob ``only``."""
    for file in sorted(Path(__file__).parent.glob("contest_*.py")):
        contests: tuple[Contest, ...] = importlib.import_module(file.stem).CONTESTS
        yield from (each for each in contests if fnmatchcase(each.name, only))
