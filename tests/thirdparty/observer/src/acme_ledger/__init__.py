"""What a third party ships: an observer."""

from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_observers(register):
    register(
        "acme-ledger",
        "acme_ledger.ledger:Ledger",
        version="1",
        summary="A CSV file with a line for each model",
    )
