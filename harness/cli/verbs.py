"""The verbs of ``harness``: of each its module, and its line in ``harness --help``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Verb:
    """A command that is imported when it is called; in its module it has the verb's name."""

    module: str
    summary: str


VERBS = {
    "run": Verb("harness.cli.run", "Run a suite, or resume it."),
    "plan": Verb("harness.cli.plan", "Show what a run would do and what it would cost."),
    "doctor": Verb("harness.cli.doctor", "Show what a run needs and how to get it."),
    "bench": Verb("harness.cli.bench", "Benchmark models and attacks on this machine."),
    "status": Verb("harness.cli.status", "Show the progress of a run."),
    "leaderboard": Verb("harness.cli.leaderboard", "Rank models by accuracy and robustness."),
    "compare": Verb("harness.cli.compare", "Compare two models on the same images."),
    "report": Verb("harness.cli.report", "Write a self-contained HTML report."),
    "transfer": Verb(
        "harness.cli.transfer", "Show how adversarial images transfer between models."
    ),
    "findings": Verb("harness.cli.findings", "Check the study's claims on stored results."),
    "fingerprint": Verb(
        "harness.cli.fingerprint", "Guess a model's family from predicted labels alone."
    ),
    "show": Verb("harness.cli.show", "Show one cell, or one of its images."),
    "runs": Verb("harness.cli.runs", "List the runs in the database."),
    "verify": Verb("harness.cli.verify", "Re-check stored results."),
    "export": Verb("harness.cli.export", "Export results as Parquet, CSV or JSON Lines."),
    "merge": Verb("harness.cli.merge", "Merge other databases into this one."),
    "models": Verb("harness.cli.nouns", "Models in the registry."),
    "attacks": Verb("harness.cli.nouns", "Attacks that plugins provide."),
    "measurements": Verb("harness.cli.nouns", "Measurements that plugins provide."),
    "metrics": Verb("harness.cli.nouns", "Metrics that plugins provide."),
    "executors": Verb("harness.cli.nouns", "Executors: where the work of a run is done."),
    "datasets": Verb("harness.cli.nouns", "Datasets in the registry."),
    "suites": Verb("harness.cli.nouns", "Suites in the registry."),
    "plugins": Verb("harness.cli.nouns", "Installed plugins and whether they work."),
}


def verb(
    name: str, cls: type[click.Command] = click.Command
) -> Callable[[Callable[..., Any]], click.Command]:
    """The command of a verb: its help is the verb's summary, then the function's docstring."""

    def made(function: Callable[..., Any]) -> click.Command:
        details = inspect.cleandoc(function.__doc__ or "")
        text = f"{VERBS[name].summary}\n\n{details}".rstrip()
        return click.command(name, cls=cls, help=text)(function)

    return made


def group(name: str) -> click.Group:
    """The group of a verb that has verbs of its own."""
    return click.Group(name, help=VERBS[name].summary)
