"""Measurements once more from their stored arrays: what ``harness verify --refit`` compares."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import ValidationError

from harness.api import HarnessError, Later, Measured, Measurement, MeasurementResult, Status
from harness.contained import contained
from harness.engine.values import checked_reading
from harness.plugins import Catalog, Kind
from harness.store.read.audit import Stored

SAME_NUMBER = 1e-6
"""How far a stored number may be off, relatively."""


def rebuilt(task: Stored, catalog: Catalog) -> Measurement | str:
    """The measurement of a stored component, or why there is none."""
    registration = catalog.find(Kind.MEASUREMENT, task.name)
    if registration is None:
        return f"no installed plugin offers {task.name!r}"
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


def difference(measurement: Measurement, stored: Measured) -> str | bool:
    """How the numbers differ from what the arrays give now; True: not at all; False: not known.

    A measurement that raises is told as a difference: what is stored cannot be what it measured.
    """
    try:
        with contained("it"):
            found = measurement.again(stored.numbers, stored.arrays)
        reading = None if found is None else checked_reading(found)
        if isinstance(reading, Later):
            raise TypeError("a Later is no MeasurementResult")
    except Exception as error:
        text = " ".join(str(error).split())
        return f"cannot be computed from its arrays ({type(error).__name__}: {text})"
    if reading is None:
        return False
    return _compared(stored, reading) or True


def _compared(stored: Measured, reading: MeasurementResult) -> str | None:
    if (reading.problem is None) != (stored.status is Status.MEASURED):
        return f"stored {stored.status}, now {reading.problem or 'measured'}"
    now = {name: value for name, value in reading.numbers.items() if math.isfinite(value)}
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
