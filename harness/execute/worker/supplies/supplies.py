"""All that a worker reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from harness.execute.images import Images
from harness.execute.worker.supplies.dataset import SuppliedDataset
from harness.execute.worker.supplies.manifest import Manifest
from harness.execute.worker.supplies.requests import Ask
from harness.execute.worker.supplies.saved import SavedExamples
from harness.execute.worker.supplies.weights import SuppliedWeights


class Supplies:
    """A worker's images, weights and saved adversarial examples, wherever they come from.

    Args:
        ask: the driver's host.
        images: what this process has read already; None: it reads its own.
    """

    def __init__(self, manifest: Manifest, ask: Ask, images: Images | None = None) -> None:
        self._notes: deque[str] = deque()
        self.images = images or Images(SuppliedDataset(manifest, ask, self._notes.append))
        self.weights = SuppliedWeights(manifest.weights, ask)
        self.saved = SavedExamples(ask)

    def notes(self) -> Iterator[str]:
        """What the user should know about this host, since the last time; a line may come again."""
        while self._notes:
            yield self._notes.popleft()
