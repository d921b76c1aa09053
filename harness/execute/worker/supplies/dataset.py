"""The run's dataset on a worker's host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.api import Cut, DataError, Dataset, HarnessError, Sample
from harness.contained import cause
from harness.execute.pixels import unpacked
from harness.execute.worker.supplies.host import host_name, places_here
from harness.execute.worker.supplies.manifest import Manifest
from harness.execute.worker.supplies.requests import Ask, ImageRequest, fetched
from harness.resolve.checked_dataset import CheckedDataset

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SuppliedDataset(Dataset):
    """The images of the run: this host's own where they are the run's, else the driver's pixels.

    An image's hash is compared once, before it is first read. The pixels are the same either way.

    Args:
        say: is called with what the user should know about this host, in one line; any thread may
            call it.
    """

    def __init__(self, manifest: Manifest, ask: Ask, say: Callable[[str], None]) -> None:
        super().__init__(manifest.reader.spec)
        self.classes = manifest.reader.classes
        self._manifest, self._ask, self._say = manifest, ask, say
        self._samples = {key.name: Sample(key.name, key.label) for key in manifest.images}
        self._digests = {key.name: key.digest for key in manifest.images}
        self._own = self._found()
        self._known = set(self._own.samples()) if self._own else set[Sample]()
        self._usable: dict[Sample, bool] = {}

    def samples(self) -> Sequence[Sample]:
        return tuple(self._samples.values())

    def digest(self, sample: Sample) -> str:
        return self._digests[sample.id]

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        """See `Dataset.read`.

        Raises:
            DataError: the driver's host cannot read it either, or what it sends is damaged.
        """
        own = self._own
        if own is not None and self._is_usable(own, sample):
            try:
                return own.read(sample, size, cut)
            except DataError:
                pass  # it may be gone by now; if not, the driver's host says the same of it
        pixels = fetched(self._ask, ImageRequest(sample.id, size, cut), DataError)
        return unpacked(pixels)

    def _found(self) -> CheckedDataset | None:
        """The dataset in the first of its places that is there."""
        reader = self._manifest.reader
        places: list[Path | None] = [*places_here(self._manifest.places), reader.spec.root]
        problem = ""
        for root in places:
            try:
                return reader.dataset(root)
            except Exception as error:  # a plugin's class need not be here
                problem = error.what if isinstance(error, HarnessError) else cause("it", error)
        name = self.spec.name
        self._say(
            f"{host_name()}: {name}: {places[-1] or 'no data'}: {problem}; its images come from the"
            f" driver's host; if they are here, say --data {name}@{host_name()}=PATH"
        )
        return None

    def _is_usable(self, own: CheckedDataset, sample: Sample) -> bool:
        found = self._usable.get(sample)
        if found is None:
            found = self._usable[sample] = self._is_the_runs(own, sample)
            if not found and self._digests[sample.id]:
                self._say(
                    f"{host_name()}: {self.spec.name}: {own.spec.root or 'the data'}: some images"
                    " are missing, or are not this run's: these come from the driver's host"
                )
        return found

    def _is_the_runs(self, own: CheckedDataset, sample: Sample) -> bool:
        if sample not in self._known:
            return False
        try:
            return own.digest(sample) == self._digests[sample.id]
        except HarnessError:
            return False
