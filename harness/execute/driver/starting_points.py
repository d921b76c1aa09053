"""The saved adversarial examples that a measurement starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.api import ImageKey
from harness.planning import Cell, cell_key
from harness.sealed import SavedRow
from harness.store.read.candidates import candidates

if TYPE_CHECKING:
    from sqlite_utils import Database


def starts_of(db: Database, cell: Cell) -> tuple[str | None, dict[ImageKey, SavedRow]]:
    """The attack that a measurement's ``cell`` starts from, and where its examples lie."""
    attack = cell.measurement and cell.measurement.starts_from
    if attack is None:
        return None, {}
    assert cell.goal is not None
    assert cell.seed is not None
    key = cell_key(
        model=cell.model,
        dataset=cell.dataset,
        attack=attack.component,
        goal=cell.goal,
        seed=cell.seed,
        policy=cell.policy,
    )
    found = {row.key: row.saved for row in candidates(db, key)}
    return attack.label, {image: saved for image, saved in found.items() if saved is not None}
