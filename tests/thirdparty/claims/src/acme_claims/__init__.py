"""What a third party ships: a finding, and a command."""

from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_findings(register):
    register(
        "acme-small-is-weak",
        "acme_claims.finding:SmallIsWeak",
        version="1",
        summary="Small models are broken by small distortions",
    )


@hookimpl
def register_commands(register):
    register(
        "weakest",
        "acme_claims.command:weakest",
        version="1",
        summary="Name the model that is easiest to break.",
    )
