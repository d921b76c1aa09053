"""Which stored surfaces are shown side by side, and the scales that they share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.api import ConfigError, MeasuredImage, did_you_mean

Place = tuple[object, ...]
"""What surfaces have in common that are shown side by side."""

SEE = "`harness show surface`"
SHORTEST_PREFIX = 4


def chosen(
    stored: Sequence[MeasuredImage], names: Sequence[str], image: str | None
) -> list[MeasuredImage]:
    """The surfaces of any of ``names`` (models, or first digits of cell keys) and of ``image``.

    Raises:
        ConfigError: there is no surface of a name, or of the image.
    """
    found = [each for each in stored if not names or any(_is(each, name) for name in names)]
    for name in names:
        if not any(_is(each, name) for each in stored):
            raise _unknown("model or cell", name, _names(stored))
    if image is not None and image not in (images := {each.image.name for each in found}):
        raise _unknown("image", image, sorted(images))
    return [each for each in found if image in (None, each.image.name)]


def _unknown(what: str, name: str, names: Sequence[str]) -> ConfigError:
    return ConfigError(f"unknown {what} {name!r}", hint=did_you_mean(name, names, f"see {SEE}"))


def side_by_side(
    stored: Sequence[MeasuredImage], names: Sequence[str], image: str | None
) -> list[tuple[MeasuredImage, ...]]:
    """Groups with one surface for each of ``names``, of the same image.

    Of models they are by the same measurement for the same goal and seed; cells may differ in
    these. Of several versions of a model the latest one counts.

    Raises:
        ConfigError: as `chosen`; or no image has a surface for all names.
    """
    found = chosen(stored, names, image)
    models = {each.model for each in found}
    strict = any(name in models for name in names)
    groups: dict[Place, dict[str, MeasuredImage]] = {}
    for each in found:
        group = groups.setdefault(_place(each, strict), {})
        group.update((name, each) for name in names if _is(each, name))
    whole = [
        tuple(group[name] for name in names)
        for group in groups.values()
        if group.keys() >= set(names)
    ]
    if not whole:
        raise ConfigError(
            f"{' and '.join(names)} have no surface of the same image, measurement, goal and seed",
            hint=f"see {SEE}",
        )
    return whole


def levels(grids: Iterable[Sequence[float]], count: int) -> list[float]:
    """``count`` + 1 ascending levels from 0 to above the largest value, closer near 0.

    So a model whose loss grows slowly still shows its shape next to one whose loss soars.
    """
    top = _round_top(max((value for grid in grids for value in grid), default=0.0))
    return [top * (step / count) ** 2 for step in range(count + 1)]


def signed_levels(grids: Iterable[Sequence[float]], count: int) -> list[float]:
    """2 * ``count`` + 1 ascending levels around 0, as far on both sides, closer near 0."""
    above = levels([[abs(value) for value in grid] for grid in grids], count)
    return [*(-level for level in reversed(above[1:])), *above]


TOPS = (0.9, 1.8, 2.7, 3.6, 5.4, 7.2, 9.0)
"""Multiples whose parts by squares of sixths are short numbers: 36 has 1, 4, 9, 16, 25."""


def _round_top(most: float) -> float:
    """The smallest of `TOPS`, times a power of ten, that is not below ``most``; 1 above 0."""
    if most <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(most))
    return next(top * power for top in (*TOPS, 18.0) if top * power >= most)


def _is(surface: MeasuredImage, name: str) -> bool:
    return name == surface.model or (
        len(name) >= SHORTEST_PREFIX and surface.cell.startswith(name.lower())
    )


def _names(stored: Sequence[MeasuredImage]) -> list[str]:
    return sorted({name for each in stored for name in (each.model, each.cell[:8])})


def _place(surface: MeasuredImage, strict: bool) -> Place:
    image = (surface.dataset, surface.image.name, surface.image.digest)
    return (*image, surface.measurement, surface.goal, surface.seed) if strict else image
