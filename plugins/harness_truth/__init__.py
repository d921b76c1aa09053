"""The suite ``truth``: tiny networks whose smallest adversarial distances are known exactly.

The networks are those of `harness.testing.truth`; here are their files, the images, a measurement
that finds out each image's distance, and findings that compare attacks and lower bounds with it.
"""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_truth.examples:EXAMPLES"


@hookimpl
def register_model_loaders(register: Register) -> None:
    register(
        "truth",
        "harness_truth.loader:TruthLoader",
        version="1",
        summary="Networks whose smallest adversarial distances are known",
    )


@hookimpl
def register_measurements(register: Register) -> None:
    register(
        "truth",
        "harness_truth.measurement:Truth",
        version="1",
        summary="The smallest adversarial distance, of networks where it is known",
    )


@hookimpl
def register_findings(register: Register) -> None:
    register(
        "optimality-to-truth",
        "harness_truth.findings:Optimality",
        version="1",
        summary="Attacks find the smallest distance where it is known",
    )
    register(
        "attacks-above-truth",
        "harness_truth.findings:AttacksAbove",
        version="1",
        summary="No attack's distance is below the known one",
    )
    register(
        "bounds-below-truth",
        "harness_truth.findings:BoundsBelow",
        version="1",
        summary="No lower bound is above the known distance",
    )


@hookimpl
def register_registries(register: Register) -> None:
    register(
        "truth",
        "harness_truth:registry.yaml",
        version="1",
        summary="The networks of known distances, their images and the suite",
    )
