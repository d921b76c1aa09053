"""What shards of both kinds have in common: which are read, and how a damaged one is handled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.api import MissingError
from harness_datasets.names import CLASSES
from harness_datasets.source import Photo
from harness_datasets.tree import visible

_VALIDATION = re.compile(r"(?<![a-z])val", re.IGNORECASE)


class DamagedShard(Exception):
    """A shard cannot be listed to its end; the message says why."""


def gathered(root: Path, suffix: str, listed: Callable[[Path], Iterator[Photo]]) -> list[Photo]:
    """The images of every shard of ``root``; of the validation ones only, where some are.

    What can be listed of a damaged shard is there; a warning names the shard.

    Raises:
        MissingError: no shard is there, or no image can be listed.
    """
    shards = [path for path in visible(root) if path.suffix.lower() == suffix]
    shards = [path for path in shards if _VALIDATION.search(path.name)] or shards
    if not shards:
        raise MissingError(f"holds no shards (*{suffix})", where=str(root))
    photos: list[Photo] = []
    problems: list[str] = []
    for shard in shards:
        before = len(photos)
        try:
            if shard.exists() and not shard.is_file():  # a pipe would be waited for
                raise DamagedShard("is no file")
            photos.extend(listed(shard))
        except DamagedShard as error:
            found = len(photos) - before
            problems.append(f"{shard}: {error}; {found} images of it could be listed")
    if problems and not photos:
        raise MissingError(problems[0], hint="get the shard again")
    for problem in problems:
        warnings.warn(f"{problem}: continuing without the rest", stacklevel=2)
    return photos


def checked_label(value: object, where: str) -> int:
    """``value`` as a 0-based class."""
    if not (type(value) is int and 0 <= value < CLASSES):
        raise MissingError(
            f"label {value!r} is none of 0 to {CLASSES - 1}",
            where=where,
            hint="take shards of the validation split; the test split has no labels",
        )
    return value
