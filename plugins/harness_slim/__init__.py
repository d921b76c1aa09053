"""Model loader: TF-Slim's networks, weights out of its checkpoints.

`harness models import` turns a checkpoint into the safetensors file that the loader takes.
"""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_slim.examples:EXAMPLES"


@hookimpl
def register_model_loaders(register: Register) -> None:
    register(
        "slim",
        "harness_slim.loader:SlimLoader",
        version="1",
        summary="TF-Slim's networks by the study's names, weights from imported checkpoints",
    )
