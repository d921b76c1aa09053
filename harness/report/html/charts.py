"""What the charts have in common: altair, loaded late, and the scales of families."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.errors import MissingError
from harness.report.html.shown import compact
from harness.report.html.theme import DASHES

NO_FAMILY = "no family"


def needs(name: str) -> Any:
    """A module of the extra ``report``.

    Raises:
        MissingError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingError(
            f"the report needs {name}, which is not installed",
            hint="pip install 'frontier-harness[report]'",
        ) from error


@contextmanager
def unchecked() -> Iterator[None]:
    """Without altair's check of each part of a chart, half of a report's time; tests do it."""
    schemas = needs("altair.utils.schemapi")
    with schemas.debug_mode(False):
        yield


def library() -> Any:
    """The module altair."""
    return needs("altair")


def specification(chart: Any, width: int, height: int) -> dict[str, Any]:
    """The chart as Vega-Lite with a plot of exactly this size; axes and legends come on top."""
    spec: dict[str, Any] = chart.properties(width=width, height=height).to_dict(validate=False)
    for mine in ("$schema", "config"):
        spec.pop(mine, None)
    return spec


def by_family(alt: Any, channel: Any, families: Sequence[str]) -> Any:
    """The channel (colour or shape) of a row's family; a family looks the same in all charts."""
    return channel("family:N", title=None, scale=alt.Scale(domain=list(families)))


KEY_ROOM = 24
"""Models that a key next to a plot has room for."""


def key_rows(
    models: Sequence[tuple[str, str | None]], short: Callable[[str], str]
) -> list[dict[str, Any]]:
    """The key of a chart of lines: models and families in the key's order, from the top."""
    within: dict[str, int] = {}
    rows = []
    for place, (model, family) in enumerate(models):
        family = family or NO_FAMILY
        dash = within[family] = within.get(family, -1) + 1
        height = compact(1 - (place + 0.5) / max(len(models), 18))
        row = {"model": short(model), "family": family, "dash": dash % len(DASHES), "at": height}
        rows.append(row)
    return rows if len(models) <= KEY_ROOM else []


def key(alt: Any, colour: Any) -> list[Any]:
    """Layers of the dataset ``key`` to the right of a plot whose y is from 0 to 1."""
    rows = alt.Chart(alt.NamedData("key")).transform_filter("width >= 560")
    beside = {"y": alt.Y("at:Q"), "strokeOpacity": emphasis(alt)}
    return [
        rows.mark_rule(strokeWidth=2, aria=False).encode(
            x=alt.value(alt.expr("width + 18")), x2=alt.value(alt.expr("width + 50")),
            color=colour, strokeDash=dashes(alt), **beside,
        ),
        rows.mark_text(style="label", align="left", baseline="middle", aria=False).encode(
            x=alt.value(alt.expr("width + 56")), y=alt.Y("at:Q"), text="model:N",
            fillOpacity=emphasis(alt, 0.3),
        ),
    ]  # fmt: skip


def dashes(alt: Any) -> Any:
    """The channel of the lines of one family."""
    scale = alt.Scale(domain=list(range(len(DASHES))), range=[list(dash) for dash in DASHES])
    return alt.StrokeDash("dash:O", scale=scale, legend=None)


def families(known: Mapping[str, str | None]) -> tuple[str, ...]:
    """The families of models, in the models' order."""
    return tuple(dict.fromkeys(family or NO_FAMILY for family in known.values()))


def highlight(alt: Any) -> Any:
    """The parameter ``highlight``: the one model to pick out, or none."""
    return alt.param(name="highlight", value="")


def emphasis(alt: Any, faint: float = 0.12, full: float = 1.0) -> Any:
    """The opacity of what is picked out, or of everything.

    For marks that are never quite opaque a channel of strokes or fills: the opacity of a whole mark
    makes the PNG's renderer draw each on a canvas of its own, 60 times as long.
    """
    chosen = "highlight === '' || datum.model === highlight"
    return alt.condition(chosen, alt.value(full), alt.value(faint))
