"""Examples for the conformance suite: parameters that take little time."""

from __future__ import annotations

from harness.api import Examples, MeasurementExample

EXAMPLES: Examples = {
    "measurement:clever": MeasurementExample(parameters={"batches": 10, "samples": 8}),
    "measurement:divergence": [
        MeasurementExample(parameters={"steps": 3}),
        MeasurementExample(parameters={"steps": 3, "norm": "l2", "epsilon": 0.5}),
    ],
    "measurement:surface": [
        MeasurementExample(parameters={"points": 5}),
        MeasurementExample(parameters={"points": 5, "direction": "attack", "attack": "fgsm"}),
    ],
}
