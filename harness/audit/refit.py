"""Measurements recomputed from their stored arrays, for ``harness verify --refit``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from harness.api import HarnessError, Later, Measured, Measurement, MeasurementResult, Status
from harness.contained import contained
from harness.engine.values import checked_result
from harness.plugins import Catalog, Kind
from harness.store.read.audit import Stored

SAME_NUMBER = 1e-6
"""How far a stored number may be off, relatively."""


def rebuilt(task: Stored, catalog: Catalog) -> Measurement | str:
    """The measurement of a stored component, or why there is none."""
    registration = catalog.find(Kind.MEASUREMENT, task.name)
    if registration is None:
        return f"{task.name!r} is not provided by any installed plugin"
    version = task.identity["version"]
    if registration.version != version:
        return f"version {registration.version} of {task.name!r} is installed, not {version}"
    try:
        kind = registration.load()
        measurement: Measurement = kind(**task.identity["parameters"])
    except ValidationError as error:
        return f"{task.name!r} does not take its stored parameters ({error.error_count()} wrong)"
    except HarnessError as error:
        return str(error)
    return measurement


@dataclass(frozen=True, slots=True)
class Refit:
    """How stored numbers compare with those that their arrays give now.

    Attributes:
        known: False: the measurement cannot be recomputed without the model.
        difference: in words; None: they do not differ.
    """

    known: bool
    difference: str | None = None


def refit(measurement: Measurement, stored: Measured) -> Refit:
    """Recompute ``stored``; a measurement that raises differs from what it had measured."""
    try:
        with contained("it"):
            found = measurement.again(stored.numbers, stored.arrays)
        result = None if found is None else checked_result(found)
        if isinstance(result, Later):
            raise TypeError("a Later is not a MeasurementResult")
    except Exception as error:
        text = " ".join(str(error).split())
        problem = f"cannot be computed from its arrays ({type(error).__name__}: {text})"
        return Refit(known=True, difference=problem)
    if result is None:
        return Refit(known=False)
    return Refit(known=True, difference=_compared(stored, result))


def _compared(stored: Measured, result: MeasurementResult) -> str | None:
    if (result.problem is None) != (stored.status is Status.MEASURED):
        return f"stored {stored.status}, now {result.problem or 'measured'}"
    now = {name: value for name, value in result.numbers.items() if math.isfinite(value)}
    wrong = [
        name for name in sorted({*now, *stored.numbers}) if not _same(stored.numbers, now, name)
    ]
    if not wrong:
        return None
    first = wrong[0]
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{first} stored {stored.numbers.get(first)}, now {now.get(first)}{more}"


def _same(stored: Mapping[str, float], now: Mapping[str, float], name: str) -> bool:
    if name not in stored or name not in now:
        return False
    return math.isclose(stored[name], now[name], rel_tol=SAME_NUMBER, abs_tol=1e-12)
