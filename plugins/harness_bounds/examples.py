"""Examples for the conformance suite: parameters that take little time."""

from __future__ import annotations

from harness.api import Examples, MeasurementExample

EXAMPLES: Examples = {
    "measurement:lipschitz": MeasurementExample(parameters={"norms": ["linf"]}),
    "measurement:certified": MeasurementExample(parameters={"norms": ["l2"], "halvings": 8}),
}
