"""Examples for the conformance suite."""

from __future__ import annotations

from harness.api import Examples, ModelExample

EXAMPLES: Examples = {
    "model_loader:truth": ModelExample(
        entry={
            "architecture": "linear",
            "classes": 3,
            "preprocessing": {"size": [4, 4]},
        }
    ),
}
