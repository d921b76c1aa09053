"""How an attack's distances fall with its passes, from the traces of its best queries.

After so many passes the distance of an image is that of its nearest adversarial query so far;
infinite while there is none. AttackBench (Cinà et al. 2024, arXiv 2404.19460) gives attacks a
budget of queries too, but its optimality is another number than ours: 1 minus the excess area
under the security curve, where ours is 1 minus the mean gap, image by image
(`harness.analysis.optimality`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.api.records import TRACE_PASSES
from harness.api.statistics import median_with_failures

Trace = Sequence[float | None]
"""As `harness.api.BestQuery` has it; empty where no query is adversarial."""


@dataclass(frozen=True, slots=True)
class Progress:
    """An attack's distances within numbers of passes, over (model, image) pairs.

    Attributes:
        passes: some of `TRACE_PASSES`, ascending.
        medians: at each, with failures as infinite; None without images.
        optimality: at each, 1 minus the mean gap to the smallest known distances, over the pairs
            that any attack broke; None without any.
        images: the pairs whose queries were kept.
    """

    passes: tuple[int, ...]
    medians: tuple[float | None, ...]
    optimality: tuple[float | None, ...]
    images: int

    def at(self, passes: int) -> tuple[float | None, float | None]:
        """Median and optimality within ``passes``: those of the largest number up to it."""
        place = max(sum(count <= passes for count in self.passes) - 1, 0)
        return self.medians[place], self.optimality[place]


def distance_within(trace: Trace, passes: int) -> float | None:
    """The distance within a number of passes; None: no query was adversarial by then.

    Between two of `TRACE_PASSES` it is that of the smaller one.
    """
    place = sum(count <= passes for count in TRACE_PASSES) - 1
    if place < 0 or not trace:
        return None
    found: float | None = trace[min(place, len(trace) - 1)]
    return found


def progress(
    traces: Sequence[tuple[Trace, float | None]], most: int, at: int | None = None
) -> Progress:
    """The progress over images, each with its trace and its smallest known distance, if any.

    Args:
        most: passes of the image with the most.
        at: a further number of passes.
    """
    last = next((count for count in TRACE_PASSES if count >= most), TRACE_PASSES[-1])
    counts = {count for count in TRACE_PASSES if count <= last} | ({at} if at else set())
    passes = tuple(sorted(counts))
    medians, optimality = [], []
    for count in passes:
        found = [(distance_within(trace, count), smallest) for trace, smallest in traces]
        near = [distance for distance, _ in found if distance is not None]
        medians.append(median_with_failures(near, len(found) - len(near)))
        shares = [
            0.0 if distance is None else _share(distance, smallest)
            for distance, smallest in found
            if smallest is not None
        ]
        optimality.append(sum(shares) / len(shares) if shares else None)
    return Progress(passes, tuple(medians), tuple(optimality), len(traces))


def _share(distance: float, smallest: float) -> float:
    """d*/d, at most 1: traces are float32."""
    return min(1.0, smallest / distance) if distance else 1.0
