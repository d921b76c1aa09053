"""Examples for the conformance suite: everything in the folder that they are given."""

from __future__ import annotations

from pathlib import Path

from harness.api import Examples, ObserverExample


def jsonlines(folder: Path) -> ObserverExample:
    """A file."""
    return ObserverExample(options={"path": str(folder / "run.jsonl")})


def mlflow(folder: Path) -> ObserverExample:
    """A folder of runs."""
    import mlflow

    assert mlflow
    return ObserverExample(options={"uri": str(folder / "mlruns")})


def wandb(folder: Path) -> ObserverExample:
    """Offline, in a folder."""
    import wandb

    assert wandb
    return ObserverExample(options={"folder": str(folder)})


EXAMPLES: Examples = {
    "observer:jsonlines": jsonlines,
    "observer:mlflow": mlflow,
    "observer:wandb": wandb,
}
