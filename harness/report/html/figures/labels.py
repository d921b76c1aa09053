"""Where the names of points go in a scatter: beside them, over nothing else, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 820.0, 420.0
"""The plot that is assumed, in pixels; charts drop the names where theirs is much narrower."""

_LETTER, _LINE, _DOT, _GAP = 6.4, 14.0, 7.0, 11.0

SIDES: dict[str, dict[str, object]] = {
    "right": {"dx": _GAP, "align": "left", "baseline": "middle"},
    "left": {"dx": -_GAP, "align": "right", "baseline": "middle"},
    "above": {"dy": -_GAP, "align": "center", "baseline": "bottom"},
    "below": {"dy": _GAP, "align": "center", "baseline": "top"},
}
"""Each side's place of the text relative to its point."""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def sides(points: Sequence[tuple[str, float, float]]) -> list[str]:
    """The side of each point's name, or "" where it has no room; earlier points choose first.

    Args:
        points: name and place, the place within [0, 1] x [0, 1] of the plot, y upwards.
    """
    spots = [(x * WIDTH, (1 - y) * HEIGHT) for _, x, y in points]
    dots = [_Box(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in spots]
    taken: list[_Box] = []
    found = []
    for place, (name, _, _) in enumerate(points):
        others = [dot for rank, dot in enumerate(dots) if rank != place]
        side, box = next(
            (
                (side, box)
                for side, box in _boxes(len(name) * _LETTER, *spots[place])
                if box.left >= 0
                and box.right <= WIDTH
                and not any(box.meets(other) for other in [*taken, *others])
            ),
            ("", None),
        )
        found.append(side)
        if box:
            taken.append(box)
    return found


def _boxes(wide: float, x: float, y: float) -> Iterator[tuple[str, _Box]]:
    yield "right", _Box(x + _GAP, y - _LINE / 2, x + _GAP + wide, y + _LINE / 2)
    yield "left", _Box(x - _GAP - wide, y - _LINE / 2, x - _GAP, y + _LINE / 2)
    yield "above", _Box(x - wide / 2, y - _GAP - _LINE, x + wide / 2, y - _GAP)
    yield "below", _Box(x - wide / 2, y + _GAP, x + wide / 2, y + _GAP + _LINE)
