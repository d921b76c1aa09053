"""Files among the images that are not read: counted, and reported in one line."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection
from pathlib import PurePath


class Passed:
    """The kinds of things that were passed over, and how many of each.

    Attributes:
        expected: names of what may lie there; they are not counted.
    """

    def __init__(self, expected: Collection[str] = ()) -> None:
        self.expected = expected
        self._kinds: Counter[str] = Counter()

    def add(self, kind: str) -> None:
        self._kinds[kind] += 1

    def add_file(self, name: str) -> None:
        """A file whose name is not that of an image."""
        suffix = PurePath(name).suffix.lower()
        self.add(f"*{suffix}" if suffix else "without a suffix")

    def say(self, where: str) -> None:
        """Warn, if there was any."""
        if self._kinds:
            kinds = ", ".join(f"{kind} ({count:,})" for kind, count in self._kinds.most_common())
            warnings.warn(
                f"{where}: {self._kinds.total():,} skipped because they are not readable images: "
                f"{kinds}",
                stacklevel=2,
            )
