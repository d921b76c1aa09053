"""The verbs of ``harness``: of each its module, and its line in ``harness --help``.

Commands of plugins join them, and cannot take their names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """A command that is imported when it is called; in its module it has the verb's name.

    Attributes:
        own: the verbs behind it, which plugins may add to; None: nothing goes behind it.
    """

    module: str
    summary: str
    own: tuple[str, ...] | None = None


_NOUN = ("list", "show")

VERBS = {
    "run": Verb("harness.cli.run", "Run a suite, or resume it."),
    "plan": Verb("harness.cli.plan", "Show what a run would do and what it would cost."),
    "doctor": Verb("harness.cli.doctor", "Show what a run needs and how to get it."),
    "bench": Verb("harness.cli.bench", "Benchmark models and attacks on this machine."),
    "status": Verb("harness.cli.status", "Show the progress of a run."),
    "leaderboard": Verb("harness.cli.leaderboard", "Rank models by accuracy and robustness."),
    "compare": Verb("harness.cli.compare", "Compare two models on the same images."),
    "check": Verb("harness.cli.check", "Fail where models lost accuracy or robustness."),
    "report": Verb("harness.cli.report", "Write a self-contained HTML report."),
    "transfer": Verb(
        "harness.cli.transfer", "Show how adversarial images transfer between models."
    ),
    "findings": Verb("harness.cli.findings", "Check plugins' claims on stored results."),
    "fingerprint": Verb(
        "harness.cli.fingerprint", "Guess a model's family from predicted labels alone."
    ),
    "show": Verb("harness.cli.show", "Show one cell, or one of its images.", ()),
    "runs": Verb("harness.cli.runs", "List the runs in the database.", _NOUN),
    "verify": Verb("harness.cli.verify", "Re-check stored results."),
    "export": Verb("harness.cli.export", "Export results as Parquet, CSV or JSON Lines."),
    "merge": Verb("harness.cli.merge", "Merge other databases into this one."),
    "models": Verb("harness.cli.nouns", "Models in the registry.", _NOUN),
    "attacks": Verb("harness.cli.nouns", "Attacks that plugins provide.", _NOUN),
    "measurements": Verb("harness.cli.nouns", "Measurements that plugins provide.", _NOUN),
    "metrics": Verb("harness.cli.nouns", "Metrics that plugins provide.", _NOUN),
    "executors": Verb("harness.cli.nouns", "Executors: where the work of a run is done.", _NOUN),
    "observers": Verb("harness.cli.nouns", "Observers: who is told of a run as it happens.", _NOUN),
    "datasets": Verb("harness.cli.nouns", "Datasets in the registry.", _NOUN),
    "suites": Verb("harness.cli.nouns", "Suites in the registry.", _NOUN),
    "plugins": Verb(
        "harness.cli.nouns",
        "Installed plugins and whether they work.",
        (*_NOUN, "new", "check", "disable", "enable", "doctor"),
    ),
}
