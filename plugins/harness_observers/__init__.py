"""What tells others of results: observers of runs, and files for model repositories."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_observers.examples:EXAMPLES"


@hookimpl
def register_observers(register: Register) -> None:
    register(
        "jsonlines",
        "harness_observers.jsonlines:JsonLines",
        version="1",
        summary="A file with one JSON object per event",
    )
    register(
        "mlflow",
        "harness_observers.mlflow:MLflow",
        version="1",
        summary="A run of MLflow, in a folder or on a server (extra: mlflow)",
    )
    register(
        "wandb",
        "harness_observers.wandb:Wandb",
        version="1",
        summary="A run of Weights & Biases, offline by default (extra: wandb)",
    )


@hookimpl
def register_commands(register: Register) -> None:
    register(
        "models eval-results",
        "harness_observers.eval_results:eval_results",
        version="1",
        summary="Write results as files for model repositories on Hugging Face.",
    )
