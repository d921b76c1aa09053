"""What every plugin keeps, as rules that are checked; see ``docs/conformance.md``.

A third party's whole test, with the pytest plugin that the harness installs::

    import pytest

    @pytest.mark.conformance("acme-robustness")
    def test_conformance(case):
        case.check()

``harness plugins check acme-robustness`` checks the same rules in a process of its own. Importing
this package loads no torch.
"""

from __future__ import annotations

from harness.testing.conformance.cases import Case, checkups, rules_of
from harness.testing.conformance.rule import Broken, NotChecked, Result, Rule, State

__all__ = [
    "Broken",
    "Case",
    "NotChecked",
    "Result",
    "Rule",
    "State",
    "checkups",
    "rules_of",
]
