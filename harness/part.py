"""A part of a run: every n-th image, for all of its cells."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import ConfigError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Part:
    """Part ``index`` of ``of`` parts, counted from 1: ``2/8``.

    Images go round: of a cell's images, which are the first of the plan's, every part has as many
    as every other one, or one more. Whatever depends on an image stays in its part.
    """

    index: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """The part that ``--shard`` names.

        Raises:
            ConfigError: it is not I/N with 1 <= I <= N.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip(), re.ASCII)
        part = cls(*map(int, found.groups())) if found else None
        if part is None or not 1 <= part.index <= part.of:
            hint = "I/N with I from 1 to N, such as 2/8"
            raise ConfigError(f"{text!r} is not a part of a run", where="--shard", hint=hint)
        return part

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def take(self, whole: Sequence[_T]) -> Sequence[_T]:
        """The part's share of things in plan order."""
        return whole[self.index - 1 :: self.of]

    def placed(self, own: Sequence[_T]) -> Iterator[tuple[int, _T]]:
        """The part's ``own`` things, each with its position in the whole, from 0."""
        return zip(itertools.count(self.index - 1, self.of), own, strict=False)
