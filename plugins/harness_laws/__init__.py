"""The law of robustness over accuracy on trial, and how many regimes a suite's models fall into.

Findings of any suite: laws are compared by how well they predict a model that they were not fitted
to, regimes by a mixture of regressions and by the training that models declare.
"""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1

FINDINGS = (
    ("law", "law:Law", "The log-linear law predicts models best"),
    ("regimes", "regimes:Regimes", "The models follow more than one law"),
)


@hookimpl
def register_findings(register: Register) -> None:
    for name, target, summary in FINDINGS:
        register(name, f"harness_laws.findings.{target}", version="1", summary=summary)
