"""Saved adversarial examples: of which images there are any, and where each lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import ImageKey
from harness.sealed import SavedRow
from harness.store.artifacts import folder_of
from harness.store.columns import JUDGED, RETRYABLE
from harness.store.database import file_errors, path_of

if TYPE_CHECKING:
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

    @property
    def saved(self) -> SavedRow | None:
        """Where the pixels are; None where they are not."""
        return None if self.file is None or self.row is None else SavedRow(self.file, self.row)


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
