"""What the charts have in common: altair, loaded late, and the scales of families."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.errors import MissingError

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


def specification(chart: Any, height: int) -> dict[str, Any]:
    """The chart as Vega-Lite, as wide as its place on the page."""
    whole = chart.properties(width="container", height=height)
    spec: dict[str, Any] = whole.to_dict(validate=False)
    for mine in ("$schema", "config"):
        spec.pop(mine, None)
    return {**spec, "autosize": {"type": "fit", "contains": "padding"}}


def by_family(alt: Any, channel: Any, families: Sequence[str]) -> Any:
    """The channel (colour or shape) of a row's family; a family looks the same in all charts."""
    return channel("family:N", title=None, scale=alt.Scale(domain=list(families)))


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
