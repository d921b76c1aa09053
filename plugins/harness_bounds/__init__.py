"""Lower bounds of every attack's distortion that are proved, not estimated."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_bounds.examples:EXAMPLES"


@hookimpl
def register_measurements(register: Register) -> None:
    register(
        "lipschitz",
        "harness_bounds.lipschitz:Lipschitz",
        version="1",
        summary="The margin over a product of the layers' norms (Szegedy et al. 2014)",
    )
    register(
        "certified",
        "harness_bounds.certified:Certified",
        version="1",
        summary="The largest radius that linear relaxation certifies (CROWN, Zhang et al. 2018)",
    )
