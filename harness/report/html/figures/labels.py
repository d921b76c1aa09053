"""Where the names of points go in a scatter: next to them, or further away on a leader line.

No two names overlap, and none covers a point. Every name has a list of candidate boxes; each takes
the cheapest one given all others, in turns, until nothing changes. A name that still collides is
left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.report.html.theme import LABEL_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LINE = 15.0
"""Height of a line of text."""

_DOT, _GAP = 7.5, 11.0
_RINGS = (19.0, 26.0, 34.0, 44.0, 56.0, 70.0, 86.0, 104.0)
_ANGLES = 16
_TURNS = 12

_COLLISION = 1000.0
_LEADER_ON_NAME, _LEADER_ON_LEADER, _LEADER_ON_DOT, _NAME_ON_LINE = 300.0, 120.0, 30.0, 10.0
_PER_PIXEL, _LEADER = 0.35, 6.0

_NARROW, _WIDE = frozenset("fijlrt.,:;|!'()[]- I"), frozenset("mwMW%@")
"""Letters by width, in the widest of the common sans-serif fonts."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A point and its name; in pixels of the plot, downwards from the top left corner."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Label:
    """Where a name goes: its anchor, vertically in the middle of the text.

    Attributes:
        align: where the anchor is in the text: ``left``, ``center`` or ``right``.
        leader: whether a line leads from the point to the anchor.
    """

    x: float
    y: float
    align: str
    leader: bool


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Of each point (first axis) the boxes (left, top, right, bottom), anchors and costs."""

    boxes: Floats
    anchors: Floats
    aligns: tuple[str, ...]
    leaders: NDArray[np.bool_]
    costs: Floats


def text_width(text: str) -> float:
    """Of a text in pixels, rather too large than too small."""
    ems = sum(0.42 if c in _NARROW else 1.0 if c in _WIDE else 0.64 for c in text)
    return ems * LABEL_SIZE


def place(
    spots: Sequence[Spot],
    size: tuple[float, float],
    *,
    line: Sequence[tuple[float, float]] = (),
    taken: Sequence[tuple[float, float, float, float]] = (),
) -> list[Label | None]:
    """A place for each name; None where there is no room.

    Args:
        size: width and height of the plot.
        line: a curve that names should rather not cover.
        taken: boxes (left, top, right, bottom) that names must not cover.
    """
    if not spots:
        return []
    dots = np.array([(spot.x, spot.y) for spot in spots])
    found = _candidates(spots, dots, size, np.array(line).reshape(-1, 2), taken)
    chosen = _settle(dots, found)
    kept = _without_collisions(chosen, found)
    return [
        Label(
            x=float(found.anchors[i, j, 0]),
            y=float(found.anchors[i, j, 1]),
            align=found.aligns[j],
            leader=bool(found.leaders[j]),
        )
        if i in kept
        else None
        for i, j in enumerate(chosen)
    ]


def _candidates(
    spots: Sequence[Spot],
    dots: Floats,
    size: tuple[float, float],
    line: Floats,
    taken: Sequence[tuple[float, float, float, float]],
) -> _Candidates:
    offsets, aligns, leaders = _offsets()
    anchors = dots[:, None] + offsets[None]
    widths = np.array([text_width(spot.name) for spot in spots])
    share = np.array([{"left": 0.0, "center": 0.5, "right": 1.0}[align] for align in aligns])
    left = anchors[..., 0] - share[None] * widths[:, None]
    top = anchors[..., 1] - LINE / 2
    boxes = np.stack([left, top, left + widths[:, None], top + LINE], axis=-1)
    away = np.hypot(offsets[:, 0], offsets[:, 1]) - _GAP
    costs = np.broadcast_to(_PER_PIXEL * away + _LEADER * leaders, left.shape).copy()
    costs += 0.5 * np.array([align != "left" for align in aligns])
    outside = (boxes[..., :2] < 0).any(-1) | (boxes[..., 2:] > np.array(size)).any(-1)
    costs += _COLLISION * outside
    for box in taken:
        costs += _COLLISION * _overlap(boxes, np.array(box))
    around = np.concatenate([dots - _DOT, dots + _DOT], axis=-1)
    others = ~np.eye(len(dots), dtype=bool)
    costs += _COLLISION * (_overlap(boxes[:, :, None], around[None, None]) & others[:, None]).sum(
        -1
    )
    passed = _crosses(dots[:, None, None], anchors[:, :, None], around[None, None])
    costs += _LEADER_ON_DOT * ((passed & others[:, None]).sum(-1) * leaders)
    if len(line) > 1:
        over = _crosses(line[:-1], line[1:], boxes[:, :, None])
        costs += _NAME_ON_LINE * over.any(-1)
    return _Candidates(boxes, anchors, aligns, leaders, costs)


def _offsets() -> tuple[Floats, tuple[str, ...], NDArray[np.bool_]]:
    """Anchors relative to the point: beside it, above and below, then on rings around it."""
    near = [(_GAP, 0.0, "left"), (-_GAP, 0.0, "right"),
            (0.0, -_GAP - LINE / 2, "center"), (0.0, _GAP + LINE / 2, "center"),
            *((side * 8.0, up * (_DOT + LINE / 2), "left" if side > 0 else "right")
              for side in (1, -1) for up in (-1, 1))]  # fmt: skip
    far = []
    for radius in _RINGS:
        # Halves: no leader lies along an interval's bar.
        for angle in (np.arange(_ANGLES) + 0.5) * 2 * np.pi / _ANGLES:
            x, y = radius * np.cos(angle), radius * np.sin(angle)
            far.append((x, y, "left" if x >= 0 else "right"))
    every = near + far
    leaders = np.array([False] * len(near) + [True] * len(far))
    return np.array([each[:2] for each in every]), tuple(each[2] for each in every), leaders


def _settle(dots: Floats, found: _Candidates) -> list[int]:
    """The candidate of each name: the best of what taking turns in several orders ends in."""
    count = len(dots)
    orders = [range(count), range(count - 1, -1, -1), dots[:, 0].argsort(), dots[:, 1].argsort()]
    ends = [_take_turns([int(i) for i in order], dots, found) for order in orders]
    return min(ends, key=lambda chosen: _total(chosen, dots, found))


def _take_turns(order: Sequence[int], dots: Floats, found: _Candidates) -> list[int]:
    """Each name in turn takes the cheapest candidate given the others, until none moves."""
    chosen = [int(costs.argmin()) for costs in found.costs]
    for _ in range(_TURNS):
        before = list(chosen)
        for i in order:
            chosen[i] = int((found.costs[i] + _against(i, chosen, dots, found)).argmin())
        if chosen == before:
            break
    return chosen


def _total(chosen: list[int], dots: Floats, found: _Candidates) -> float:
    return sum(
        float(found.costs[i, j]) + float(_against(i, chosen, dots, found)[j]) / 2
        for i, j in enumerate(chosen)
    )


def _against(i: int, chosen: list[int], dots: Floats, found: _Candidates) -> Floats:
    """What each candidate of name ``i`` costs because of where the others are."""
    others = [j for j in range(len(chosen)) if j != i]
    boxes, anchors = found.boxes[i][:, None], found.anchors[i][:, None]
    places = [chosen[j] for j in others]
    theirs, ends = found.boxes[others, places][None], found.anchors[others, places][None]
    starts, own, led = dots[others][None], dots[i], found.leaders[:, None]
    they_lead = found.leaders[places][None]
    costs = _COLLISION * _overlap(boxes, theirs)
    costs = costs + _LEADER_ON_NAME * (_crosses(own, anchors, theirs) & led)
    costs += _LEADER_ON_NAME * (_crosses(starts, ends, boxes) & they_lead)
    costs += _LEADER_ON_LEADER * (_meet(own, anchors, starts, ends) & led & they_lead)
    return np.asarray(costs.sum(-1))


def _without_collisions(chosen: list[int], found: _Candidates) -> set[int]:
    """The names that may stay; earlier ones first."""
    kept: list[int] = []
    for i, j in enumerate(chosen):
        box = found.boxes[i, j]
        free = found.costs[i, j] < _COLLISION
        if free and not any(_overlap(box, found.boxes[k, chosen[k]]) for k in kept):
            kept.append(i)
    return set(kept)


def _overlap(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Whether boxes have an area in common."""
    return np.asarray(
        (one[..., 0] < other[..., 2]) & (other[..., 0] < one[..., 2])
        & (one[..., 1] < other[..., 3]) & (other[..., 1] < one[..., 3])
    )  # fmt: skip


def _crosses(start: Floats, end: Floats, box: Floats) -> NDArray[np.bool_]:
    """Whether segments pass through boxes: clipped by each pair of sides in turn."""
    start, end = start[..., :2], end[..., :2]
    step = end - start
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    first, second = (box[..., :2] - start) / step, (box[..., 2:] - start) / step
    enter = np.minimum(first, second).max(-1)
    leave = np.maximum(first, second).min(-1)
    return np.asarray(np.maximum(enter, 0.0) < np.minimum(leave, 1.0))


def _meet(a: Floats, b: Floats, c: Floats, d: Floats) -> NDArray[np.bool_]:
    """Whether the segments ab and cd intersect."""
    return np.asarray((_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0))


def _turn(a: Floats, b: Floats, c: Floats) -> Floats:
    one, other = b - a, c - a
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])
