"""The driver's side: gives workers on other hosts what is in the manifest, and nothing else."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api import DataError, HarnessError, MissingError, Sample
from harness.contained import cause
from harness.errors import StoreError
from harness.execute.pixels import packed
from harness.execute.worker.supplies.manifest import Manifest, stamp
from harness.execute.worker.supplies.requests import (
    ImageRequest,
    IntactRequest,
    Refusal,
    RowsRequest,
    Sent,
    WeightsRequest,
)
from harness.resolve.checked_dataset import CheckedDataset
from harness.sealed import SavedRow, is_intact, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 8 * 2**20
"""Bytes of a weight file, or of saved images, in one answer."""

_SEALED = re.compile(r"[0-9a-f]{64}\.safetensors")


class ManifestSource:
    """See `harness.api.Source`; the dataset is made when the first image is asked for."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._keys = {key.name: key for key in manifest.images}
        self._checked: set[str] = set()
        self._lock = threading.Lock()
        self._dataset: CheckedDataset | None = None

    def __reduce__(self) -> tuple[type[ManifestSource], tuple[Manifest]]:
        return ManifestSource, (self._manifest,)

    def __call__(self, request: Any) -> Any:
        """See `harness.api.Source`."""
        try:
            match request:
                case ImageRequest():
                    return Sent.of(self._image(request))
                case WeightsRequest():
                    return Sent.of(self._piece(request))
                case RowsRequest():
                    return Sent.of(self._rows(request))
                case IntactRequest():
                    return Sent.of(np.array(is_intact(self._artifact(request.file))))
            raise DataError(f"{type(request).__name__} is not a request")
        except HarnessError as error:
            return Refusal(error)
        except Exception as error:
            return Refusal(DataError(cause("the driver's host", error), where=str(request)))

    def _image(self, request: ImageRequest) -> NDArray[Any]:
        key, where = self._keys.get(request.image), f"image {request.image}"
        if key is None:
            raise DataError("is not an image of this run", where=where)
        dataset, sample = self._opened(), Sample(key.name, key.label)
        # One without a digest could not be read before; if it can be now, it has an error less.
        if key.digest and key.name not in self._checked:
            if dataset.digest(sample) != key.digest:
                raise DataError(
                    "has changed since the run began",
                    where=f"dataset {dataset.spec.name}: {where}",
                    hint="start the run again",
                )
            self._checked.add(key.name)
        return packed(dataset.read(sample, request.size, request.cut))

    def _opened(self) -> CheckedDataset:
        with self._lock:
            if self._dataset is None:
                reader = self._manifest.reader
                self._dataset = reader.dataset(reader.spec.root)
            return self._dataset

    def _piece(self, request: WeightsRequest) -> NDArray[Any]:
        weights, where = self._manifest.weights.get(request.model), f"model {request.model}"
        if weights is None or not 0 <= request.file < len(weights.files):
            raise MissingError("is not a weight file of this run", where=where)
        file = weights.files[request.file]
        try:
            changed = stamp(file.path) != file.stamp
            with file.path.open("rb") as opened:
                opened.seek(request.start)
                piece = np.frombuffer(opened.read(PIECE), np.uint8)
        except OSError as error:
            raise MissingError(f"weights {file.path}: {error.strerror}", where=where) from error
        if changed:
            raise MissingError(f"weights {file.path} have changed since the run began", where=where)
        return piece

    def _rows(self, request: RowsRequest) -> NDArray[np.float32]:
        rows = [SavedRow(self._artifact(name), row) for name, row in request.rows]
        first = read_rows(rows[:1])
        return read_rows(rows[: max(1, PIECE // first.nbytes)])

    def _artifact(self, name: str) -> Path:
        if not _SEALED.fullmatch(name):
            raise StoreError(f"there is no file of saved images named {name[:100]!r}")
        return self._manifest.artifacts / name
