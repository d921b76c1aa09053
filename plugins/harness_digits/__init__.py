"""The embedded suite: scikit-learn's handwritten digits, and small classifiers of them."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_digits.examples:EXAMPLES"


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "digits",
        "harness_digits.dataset:DigitsDataset",
        version="1",
        summary="scikit-learn's handwritten digits, the test half, as 32 x 32 RGB",
    )


@hookimpl
def register_model_loaders(register: Register) -> None:
    register(
        "digits",
        "harness_digits.loader:DigitsLoader",
        version="1",
        summary="The embedded digits classifiers; weights are safetensors in the package",
    )
