"""The metrics and measurements of the study: rates, distortions, cost, CLEVER, divergence."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_metrics.examples:EXAMPLES"

METRICS = (
    ("accuracy", "rates:Accuracy", "Top-1 over all images of the run, before exclusions"),
    ("success", "rates:Success", "Share of the attacked images that reach the goal"),
    ("confident_success", "rates:ConfidentSuccess", "Success with a margin of at least kappa"),
    ("success_8bit", "rates:Success8Bit", "Success of the candidates rounded to 8 bits"),
    ("linf", "distortion:MeanLinf", "Mean linf distortion of the broken images"),
    ("l2", "distortion:MeanL2", "Mean l2 distortion of the broken images"),
    ("l1", "distortion:MeanL1", "Mean l1 distortion of the broken images"),
    ("median_linf", "distortion:MedianLinf", "Median linf distortion of the broken images"),
    ("median_l2", "distortion:MedianL2", "Median l2 distortion of the broken images"),
    ("median_l1", "distortion:MedianL1", "Median l1 distortion of the broken images"),
    ("l2_per_pixel_hw", "distortion:L2PerPixelHW", "Mean l2 over height x width"),
    ("l2_per_pixel_hwc", "distortion:L2PerPixelHWC", "Mean l2 over height x width x channels"),
    ("l1_per_pixel_hw", "distortion:L1PerPixelHW", "Mean l1 over height x width"),
    ("l1_per_pixel_hwc", "distortion:L1PerPixelHWC", "Mean l1 over height x width x channels"),
    ("forwards", "cost:Forwards", "Mean forward passes of the attack for each attacked image"),
    ("backwards", "cost:Backwards", "Mean backward passes of the attack for each attacked image"),
)


@hookimpl
def register_metrics(register: Register) -> None:
    for name, target, summary in METRICS:
        register(name, f"harness_metrics.{target}", version="1", summary=summary)


@hookimpl
def register_measurements(register: Register) -> None:
    register(
        "clever",
        "harness_metrics.clever:Clever",
        version="1",
        summary="CLEVER: an estimated lower bound of the distortion (Weng et al. 2018)",
    )
    register(
        "divergence",
        "harness_metrics.divergence:Divergence",
        version="1",
        summary="The largest divergence of predictions around an image (Yu et al. 2019)",
    )
    register(
        "surface",
        "harness_metrics.surface:Surface",
        version="1",
        summary="Loss and decision margin in a plane through an image (Yu et al. 2019)",
    )


@hookimpl
def register_commands(register: Register) -> None:
    register(
        "show surface",
        "harness_metrics.show_surface:surface",
        version="1",
        summary="Show loss and decision surfaces, models side by side.",
    )


@hookimpl
def register_report_sections(register: Register) -> None:
    register(
        "surfaces",
        "harness_metrics.surface_section:Surfaces",
        version="1",
        summary="Loss and decision surfaces",
    )
