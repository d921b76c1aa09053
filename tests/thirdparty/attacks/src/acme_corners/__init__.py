"""What a third party ships: an attack, and a registry with a suite that runs it."""

from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_attacks(register):
    register(
        "acme-corners",
        "acme_corners.attack:Corners",
        version="1",
        summary="The best of a few random corners of the ball",
    )


@hookimpl
def register_registries(register):
    register(
        "acme-corners",
        "acme_corners:registry.yaml",
        version="1",
        summary="A suite of corners of several radii",
    )
