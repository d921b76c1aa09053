"""The kept candidates that a measurement starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.api import DataError, ImageKey
from harness.errors import StoreError
from harness.planning import Cell, cell_key
from harness.store.read.candidates import Candidate, candidates, read_pixels

if TYPE_CHECKING:
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class StartingPoints:
    """The candidates of the attack called ``attack``, by the keys of their images."""

    attack: str
    found: Mapping[ImageKey, Candidate]

    def read(self, image: ImageKey) -> Tensor | DataError:
        """The candidate of an image, float32 (3, height, width), or why there is none."""
        candidate = self.found.get(image)
        if candidate is None or candidate.file is None:
            return DataError(
                f"no kept candidate of {self.attack}",
                hint="run the attack with keep: true, then this with --retry-errors",
            )
        try:
            return torch.from_numpy(read_pixels([candidate])[0])
        except StoreError as error:
            return DataError(str(error))


def starts_of(db: Database, cell: Cell) -> StartingPoints | None:
    """What a measurement's ``cell`` starts from; None if it starts from no attack."""
    attack = cell.measurement and cell.measurement.starts_from
    if attack is None:
        return None
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
    return StartingPoints(attack.label, {each.key: each for each in candidates(db, key)})
