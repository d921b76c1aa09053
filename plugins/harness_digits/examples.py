"""Examples for the conformance suite: the smallest classifier, and the dataset as it is."""

from __future__ import annotations

from harness.api import DatasetExample, Examples, ModelExample

EXAMPLES: Examples = {
    "model_loader:digits": ModelExample(
        entry={
            "architecture": "digits-mobilenet_v1_025",
            "classes": 10,
            "preprocessing": {"size": [32, 32], "mean": [0.5], "std": [0.5]},
        }
    ),
    "dataset:digits": DatasetExample(classes=10),
}
