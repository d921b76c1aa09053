"""What is left of a plan: the one place that says so, for a run and for those who ask before.

Without torch, but where the database has to be compared with the images.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import Dataset, ImageKey
from harness.planning import Adaptation, Cell, Component, Pair, Plan, PlannedImage
from harness.store.database import is_file, reading
from harness.store.read.candidates import candidates, unattacked
from harness.store.read.pending import (
    done_adapted,
    done_clean,
    done_results,
    done_transfers,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

Keys = Mapping[str, ImageKey]
"""The images' keys by their ids."""


@dataclass(frozen=True, slots=True)
class AdaptedClean:
    """Clean images of ``sources``' models, all of one size and crop, on the model of ``target``.

    Needed where these are not the target's own images.
    """

    sources: tuple[Cell, ...]
    target: Cell
    adaptation: Adaptation

    @property
    def model(self) -> Component:
        """The target."""
        return self.target.model

    @property
    def images(self) -> tuple[PlannedImage, ...]:
        return max((cell.images for cell in self.sources), key=len)


Forwards = Pair | AdaptedClean
"""What targets predict."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is left of a plan.

    Attributes:
        cells: the ids of each cell's images to compute, by the cell's key.
        transfers: every part of the transfers, with the number of its images, at most: which
            images have a candidate is known once they are attacked.
    """

    cells: Mapping[str, list[str]]
    transfers: Sequence[tuple[Forwards, int]]

    @property
    def images(self) -> int:
        """Of all cells."""
        return sum(map(len, self.cells.values()))

    def is_busy(self, cells: Sequence[Cell]) -> bool:
        """Whether any of ``cells`` is not complete."""
        return any(self.cells[cell.key] for cell in cells)


def plan_images(plan: Plan) -> tuple[PlannedImage, ...]:
    """All images of a plan, in its order: each cell has the first ones of them."""
    return max((cell.images for cell in plan.cells), key=len, default=())


def everything(plan: Plan) -> Pending:
    """What is left where nothing is stored."""
    return Pending(
        cells={cell.key: [image.id for image in cell.images] for cell in plan.cells},
        transfers=[(each, len(each.images)) for each in _forwards(plan)],
    )


def pending_in(db: Path | None, plan: Plan, dataset: Dataset, *, retry_errors: bool) -> Pending:
    """What is left according to the database at ``db``, which need not exist."""
    if db is None or not is_file(db):
        return everything(plan)
    from harness.execute.images import Images  # torch

    images = Images(dataset)
    images.identify(plan_images(plan))
    with reading(db) as connection:
        return pending(plan, images.keys, connection, retry_errors=retry_errors)


def pending(plan: Plan, keys: Keys, db: Database, *, retry_errors: bool) -> Pending:
    """What is left according to ``db``; with ``retry_errors`` failed images too.

    Of attack cells also the images that have to be attacked again for their candidates.
    """
    cells = {cell.key: _pending(cell, keys, db, retry_errors=retry_errors) for cell in plan.cells}
    for key, ids in _again(plan, keys, db, retry_errors=retry_errors).items():
        cells[key] += ids
    return Pending(cells, _transfers(plan, keys, db, retry_errors=retry_errors))


def adapted_clean(pairs: Sequence[Pair]) -> list[AdaptedClean]:
    """The clean images that targets have to see next to the candidates of ``pairs``."""
    groups: dict[tuple[str, Adaptation], list[Pair]] = {}
    for pair in pairs:
        if pair.adaptation.border != "none":
            groups.setdefault((pair.target.key, pair.adaptation), []).append(pair)
    return [
        AdaptedClean(tuple(pair.source for pair in group), group[0].target, how)
        for (_, how), group in groups.items()
    ]


def _pending(cell: Cell, keys: Keys, db: Database, *, retry_errors: bool) -> list[str]:
    """The ids of the cell's images that have no stored result yet, in plan order."""
    done: Collection[ImageKey]
    if cell.task is None:
        done = done_clean(db, cell.key, retry_errors=retry_errors)
    else:
        table = "outcomes" if cell.attack else "measured"
        done = done_results(db, cell.key, table, retry_errors=retry_errors)
    return [image.id for image in cell.images if keys[image.id] not in done]


def _forwards(plan: Plan) -> list[Forwards]:
    return [*plan.pairs, *adapted_clean(plan.pairs)]


def _transfers(
    plan: Plan, keys: Keys, db: Database, *, retry_errors: bool
) -> list[tuple[Forwards, int]]:
    without = {
        key: unattacked(db, key, retry_errors=retry_errors)
        for key in {pair.source.key for pair in plan.pairs}
    }
    left: list[tuple[Forwards, int]] = []
    for each in _forwards(plan):
        if isinstance(each, Pair):
            done = done_transfers(db, each, retry_errors=retry_errors)
            settled = done | without[each.source.key]
        else:
            done = done_adapted(db, each.target.key, each.adaptation, retry_errors=retry_errors)
            settled = done | set.intersection(*(without[cell.key] for cell in each.sources))
        left.append((each, sum(keys[image.id] not in settled for image in each.images)))
    return left


def _again(plan: Plan, keys: Keys, db: Database, *, retry_errors: bool) -> dict[str, list[str]]:
    """The images to attack again, by attack cell: finished, but without their candidates.

    Those are images that the suite keeps and that were stored without, or forgotten; and, where
    files are gone or sets are not kept for long, those that targets have yet to see.
    """
    keeps = plan.transfer is None or plan.transfer.keep_sets
    found: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.attack is None or not cell.attack.keep:
            continue
        rows = [row for row in candidates(db, cell.key) if row.file is None]
        never = {row.key for row in rows if row.row is None and keeps}
        lost = {row.key for row in rows} - never
        seen = [
            done_transfers(db, pair, retry_errors=retry_errors)
            for pair in (plan.pairs_by_source.get(cell.key, ()) if lost else ())
        ]
        found[cell.key] = [
            image.id
            for image in cell.images
            if (key := keys[image.id]) in never
            or (key in lost and any(key not in done for done in seen))
        ]
    return found
