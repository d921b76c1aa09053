"""Saved adversarial examples, one batch at a time: where each lies, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.api import ImageKey
from harness.errors import StoreError
from harness.store.artifacts import REPAIR, folder_of
from harness.store.columns import JUDGED, RETRYABLE
from harness.store.database import file_errors, path_of
from harness.store.sealed import problem

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class Candidate:
    """The candidate of an image that was attacked, successfully (broken) or not (robust).

    Attributes:
        image: the image's number in the database.
        key: the image's, within its dataset.
        goal: the target class; the true one if the goal is untargeted.
        predicted: by its own model, in the verdict.
        file: where the pixels lie; None: they are not saved, or the file is missing.
        row: of the file; None: they are not saved.
    """

    image: int
    key: ImageKey
    goal: int
    predicted: int
    file: Path | None
    row: int | None


def candidates(db: Database, cell_key: str) -> list[Candidate]:
    """The candidates of an attack cell whose artifacts are sealed, in the order of their pixels."""
    folder = folder_of(path_of(db))
    rows = db.execute(
        "SELECT name, images.digest, images.label, images.id, coalesce(target, images.label),"
        " predicted, path, artifact_row FROM outcomes"
        " JOIN cells ON cells.id = outcomes.cell_id JOIN images ON images.id = outcomes.image_id"
        " LEFT JOIN artifacts ON artifacts.id = artifact_id AND sha256 IS NOT NULL"
        f" WHERE cells.key = ? AND outcomes.status IN {JUDGED}"
        " ORDER BY artifact_id, artifact_row",
        [cell_key],
    ).fetchall()
    names = {path for *_, path, _ in rows} - {None}
    with file_errors(folder):
        there = {name: folder / name for name in names if (folder / name).exists()}
    return [
        Candidate(
            image=image,
            key=ImageKey(*key),
            goal=goal,
            predicted=predicted,
            file=there.get(path),
            row=row,
        )
        for *key, image, goal, predicted, path, row in rows
    ]


def unattacked(db: Database, cell_key: str, *, retry_errors: bool) -> set[ImageKey]:
    """The images of a cell whose outcome has no candidate to transfer.

    With ``retry_errors`` those that may be computed again do not count.
    """
    rows = db.execute(
        "SELECT images.name, images.digest, images.label FROM outcomes"
        " JOIN cells ON cells.id = outcomes.cell_id JOIN images ON images.id = outcomes.image_id"
        f" WHERE cells.key = ? AND status NOT IN {JUDGED}"
        f" AND NOT (? AND status IN {RETRYABLE})",
        [cell_key, retry_errors],
    )
    return set(map(ImageKey._make, rows))


def read_pixels(chosen: Sequence[Candidate]) -> NDArray[np.float32]:
    """The candidates' pixels, float32 (n, channels, height, width): neighbours in a file at once.

    Any thread may call it.

    Raises:
        StoreError: a file is gone or damaged.
    """
    parts: list[NDArray[np.float32]] = []
    start = 0
    for end in range(1, len(chosen) + 1):
        if end == len(chosen) or not _neighbours(chosen[end - 1], chosen[end]):
            parts.append(_read(chosen[start], end - start))
            start = end
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def is_intact(candidate: Candidate) -> bool:
    """Whether the candidate's file is there and what it was; read once in a process."""
    return candidate.file is not None and problem(candidate.file, candidate.file.stem) is None


def _neighbours(one: Candidate, other: Candidate) -> bool:
    assert one.row is not None
    return one.file == other.file and other.row == one.row + 1


def _read(first: Candidate, count: int) -> NDArray[np.float32]:
    """``count`` rows of a sealed file, from that of ``first`` on."""
    from safetensors import SafetensorError, safe_open

    assert first.file is not None
    assert first.row is not None
    if wrong := problem(first.file, first.file.stem):  # its name is its hash
        raise StoreError(f"saved images: the file {wrong}", where=str(first.file), hint=REPAIR)
    try:
        with safe_open(first.file, framework="numpy") as file:
            rows: NDArray[np.float32] = file.get_slice("images")[first.row : first.row + count]
    except (OSError, SafetensorError, ValueError, IndexError) as error:
        raise StoreError(
            f"saved images cannot be read ({error})",
            where=str(first.file),
            hint=REPAIR,
        ) from error
    if len(rows) != count:
        raise StoreError("holds fewer images than the database says", where=str(first.file))
    return rows
