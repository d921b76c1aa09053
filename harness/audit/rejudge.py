"""Saved adversarial examples judged again by the models that they were made against."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.api import DataError, HarnessError
from harness.audit.recheck import Claim, Declaration, Recheck, check
from harness.engine.device import default_batch_size
from harness.errors import StoreError
from harness.execute.images import Images
from harness.execute.worker.model_cache import Loaded, load_model
from harness.identity import tagged_hash
from harness.plugins import Catalog
from harness.registry import Registry
from harness.resolve.components import dataset_component, found_model
from harness.store.artifacts import load
from harness.store.read.audit import CheckedCell, KeptOutcome, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from sqlite_utils import Database
    from torch import Tensor


class Rejudge:
    """Finds models and datasets as a run does, and judges saved examples with them.

    Args:
        data: paths of datasets, by name.
        damaged: files of the artifact folder that must not be read.
    """

    def __init__(
        self,
        db: Database,
        registry: Registry,
        catalog: Catalog,
        data: Mapping[str, Path],
        device: torch.device,
        damaged: Set[str],
    ) -> None:
        self.db = db
        self._registry, self._catalog = registry, catalog
        self._data, self._device, self._damaged = data, device, damaged
        self._images: dict[str, Images | None] = {}

    def model(self, cell: CheckedCell) -> Loaded | str:
        """The cell's model, ready; or why there is none, in one line."""
        stored = cell.model
        entry = self._registry.models.get(stored.name)
        if entry is None:
            return "no registry names the model (--registry FILE)"
        try:
            source = stored.about.get("source")
            entry = entry.chosen(source) if source in entry.sources else entry
            component, found = found_model(entry, self._catalog)
            if tagged_hash("model", dict(component.identity)) != stored.digest:
                return _unlike(stored.identity, component.identity)
            return load_model(
                *found,
                self._device,
                fold_batch_norm=cell.verdicts.fold_batch_norm,
                rows=cell.verdicts.rows,
            )
        except HarnessError as error:
            return str(error)

    def rechecks(
        self,
        loaded: Loaded,
        cell: CheckedCell,
        rows: Sequence[KeptOutcome],
        say: Callable[[str], None],
    ) -> Iterator[tuple[KeptOutcome, Recheck | None]]:
        """Each row compared with its judgement now; None: its candidate cannot be read.

        Raises:
            ModelError: the model fails.
        """
        images = self._dataset(cell.dataset, say)
        assert cell.norm is not None
        declared = Declaration(cell.norm, cell.budget, cell.task.about["confidence"])
        left, size = iter(rows), default_batch_size(self._device, loaded.model.shape)
        while batch := list(itertools.islice(left, size)):
            candidates = [self._candidate(row, say) for row in batch]
            claims = [
                Claim(row.outcome, candidate, _clean(images, row, loaded))
                for row, candidate in zip(batch, candidates, strict=True)
                if candidate is not None
            ]
            found = iter(check(loaded.model, declared, claims) if claims else ())
            for row, candidate in zip(batch, candidates, strict=True):
                yield row, None if candidate is None else next(found)

    def _candidate(self, row: KeptOutcome, say: Callable[[str], None]) -> Tensor | None:
        if row.path in self._damaged:
            return None
        try:
            return torch.from_numpy(load(self.db, row.kept.artifact, row.kept.row).copy())
        except StoreError as error:
            say(f"image {row.outcome.image_id}: {error}")
            return None

    def _dataset(self, stored: Stored, say: Callable[[str], None]) -> Images | None:
        """The stored dataset's images; None, reported once, where they are not here."""
        if stored.digest not in self._images:
            self._images[stored.digest] = None
            problem = f"no registry names dataset {stored.name!r} (--registry FILE)"
            entry = self._registry.datasets.get(stored.name)
            try:
                if entry is not None:
                    root = self._data.get(stored.name)
                    component, dataset = dataset_component(entry, self._catalog, root=root)
                    problem = f"dataset {stored.name!r} is another version"
                    if tagged_hash("dataset", dict(component.identity)) == stored.digest:
                        self._images[stored.digest] = Images(dataset)
            except HarnessError as error:
                problem = str(error)
            if self._images[stored.digest] is None:
                say(f"skipped: norms, which need the clean images: {problem}")
        return self._images[stored.digest]


def _unlike(stored: Mapping[str, object], now: Mapping[str, object]) -> str:
    """Which parts of a model's identity differ."""
    parts = [name for name in stored if stored[name] != now.get(name)]
    return f"not the model that ran: it differs in {', '.join(parts) or 'its identity'}"


def _clean(images: Images | None, row: KeptOutcome, loaded: Loaded) -> Tensor | None:
    """The image that the candidate was made from; None where it is not what it was."""
    try:
        if images is None or images.digest(row.outcome.image_id) != row.digest:
            return None
        return images.read(row.outcome.image_id, loaded.model.shape, loaded.cut)
    except (DataError, KeyError):
        return None
