"""What a third party ships: an attack of ten lines, and a metric."""

from harness.api import hookimpl

HARNESS_API = 0  # written for an earlier API: the harness loads it as it is


@hookimpl
def register_attacks(register):
    register(
        "acme-noise",
        "acme_robustness.attack:Noise",
        version="1",
        summary="The loudest of a few random signs",
    )


@hookimpl
def register_metrics(register):
    register(
        "acme-worst",
        "acme_robustness.metric:Worst",
        version="1",
        summary="The smallest linf distortion of a success",
    )
