"""No measurement takes numbers that mean nothing: negative, absurd or no numbers at all."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from pydantic import ValidationError

from harness.api import Measurement
from harness.plugins import Kind, installed


def numeric() -> list[tuple[type[Measurement], str]]:
    classes = [registration.load() for registration in installed().all(Kind.MEASUREMENT)]
    return [
        (measurement, name)
        for measurement in classes
        for name, field in measurement.model_fields.items()
        if {int, float} & {field.annotation, *get_args(field.annotation)}
    ]


@pytest.mark.parametrize("value", [-1, 10**30, 1e30, math.nan, math.inf])
@pytest.mark.parametrize(("measurement", "name"), numeric())
def test_absurd_numbers_are_refused(
    measurement: type[Measurement], name: str, value: float
) -> None:
    with pytest.raises(ValidationError, match=name):
        measurement(**{name: value})
