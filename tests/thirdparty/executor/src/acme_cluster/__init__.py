"""What a third party ships: an executor."""

from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_executors(register):
    register(
        "acme-cluster",
        "acme_cluster.executor:AcmeCluster",
        version="1",
        summary="Workers in processes that a command starts",
    )
