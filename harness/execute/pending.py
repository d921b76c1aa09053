"""What is left of a plan's transfers, without torch: for the run, and for those who ask before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.planning import Adaptation, Cell, Component, Pair, Plan, PlannedImage
from harness.store.read.candidates import candidates, unattacked
from harness.store.read.pending import done_adapted, done_transfers
from harness.store.records import ImageKey

if TYPE_CHECKING:
    from sqlite_utils import Database

Keys = Mapping[str, ImageKey]
"""The images' keys by their ids."""


@dataclass(frozen=True, slots=True)
class AdaptedClean:
    """Clean pictures of ``sources``' models, all of one size and cut, on the model of ``target``.

    Needed where the pictures are not the target's own.
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
"""What targets are asked to predict."""


def adapted_clean(pairs: Sequence[Pair]) -> list[AdaptedClean]:
    """The clean pictures that targets have to see beside the candidates of ``pairs``."""
    groups: dict[tuple[str, Adaptation], list[Pair]] = {}
    for pair in pairs:
        if pair.adaptation.border != "none":
            groups.setdefault((pair.target.key, pair.adaptation), []).append(pair)
    return [
        AdaptedClean(tuple(pair.source for pair in group), group[0].target, how)
        for (_, how), group in groups.items()
    ]


def remaining(
    plan: Plan, keys: Keys, db: Database | None, *, retry_errors: bool
) -> list[tuple[Forwards, int]]:
    """Every pair, and every target's adapted clean pictures, with the images to do at most.

    Which images have a candidate is known once they are attacked. ``db`` is None where nothing is
    stored.
    """
    pairs = plan.pairs
    work: list[Forwards] = [*pairs, *adapted_clean(pairs)]
    if db is None:
        return [(each, len(each.images)) for each in work]
    without = {
        key: unattacked(db, key, retry_errors=retry_errors)
        for key in {pair.source.key for pair in pairs}
    }
    left: list[tuple[Forwards, int]] = []
    for each in work:
        if isinstance(each, Pair):
            done = done_transfers(db, each, retry_errors=retry_errors)
            settled = done | without[each.source.key]
        else:
            done = done_adapted(db, each.target.key, each.adaptation, retry_errors=retry_errors)
            settled = done | set.intersection(*(without[cell.key] for cell in each.sources))
        left.append((each, sum(keys[image.id] not in settled for image in each.images)))
    return left


def again(plan: Plan, keys: Keys, db: Database, *, retry_errors: bool) -> dict[str, list[str]]:
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
