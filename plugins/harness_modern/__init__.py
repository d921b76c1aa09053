"""ImageNet networks since the study, by training regime: timm's, and RobustBench's robust ones."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1


@hookimpl
def register_registries(register: Register) -> None:
    register(
        "imagenet-modern",
        "harness_modern:registry.yaml",
        version="1",
        summary="47 networks of timm and 25 adversarially trained ones, and their suites",
    )
