"""Which point's distance a leaderboard shows: the returned candidate's, or the best query's.

The best point of an image is the nearest adversarial one of what the attack returned and of what it
asked the model about, in the attack's own norm. Attacks whose queries nobody kept have the returned
one alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.api.results import PointsOf


def points_note(points: PointsOf, kept: Sequence[bool]) -> list[str]:
    """What the distances are of, in a line; none where there is only one kind of point.

    Args:
        kept: of each model, whether the attack's queries are stored.
    """
    if points == "returned":
        if not any(kept):
            return []
        return [
            "distances and verdicts are of the images that the attack returned; --points best takes"
            " its nearest adversarial query where that is nearer"
        ]
    if not any(kept):
        return [
            "--points best: queries of this attack are not stored, the returned images are shown"
        ]
    without = "" if all(kept) else "; of some models they are not stored"
    return [
        "distances and verdicts are of the best point: the nearest adversarial one of the returned"
        f" image and of all queries, in the attack's norm{without}"
    ]
