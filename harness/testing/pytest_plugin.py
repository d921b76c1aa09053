"""The pytest plugin: one test for each rule and component of a distribution.

Under ``@pytest.mark.conformance("acme-robustness")`` a test's argument ``case`` is one of them.
Examples that plugins do not name themselves may stand in the test's module, as
``HARNESS_EXAMPLES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.testing.conformance import Case

MARKER = (
    "conformance(distribution, *, kind=None, name=None): the argument `case` is each rule of each"
    " component that the distribution registers"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A case as a test sees it."""

    case: Case

    def check(self) -> None:
        """Fails where the rule is broken, and is skipped where it cannot be checked."""
        __tracebackhide__ = True
        from harness.testing.conformance import State

        result = self.case.result()
        if result.state is State.NOT_CHECKED:
            pytest.skip(result.why)
        if result.state is State.BROKEN:
            pytest.fail(result.said, pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("conformance")
    if marker is None:
        return
    from harness.testing.conformance import rules_of

    examples = getattr(metafunc.module, "HARNESS_EXAMPLES", None)
    cases = rules_of(*marker.args, **{"examples": examples, **marker.kwargs})
    metafunc.parametrize("case", [Asked(each) for each in cases], ids=[each.id for each in cases])
