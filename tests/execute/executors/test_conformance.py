"""The bundled executors keep what every executor has to."""

from __future__ import annotations

import pytest

from harness.execute.executors.inline import Inline
from harness.execute.executors.processes import Processes
from harness.testing.executors import CHECKS, EVERYWHERE


class Watch:
    """Of nobody."""

    def call(self, what, images=()):
        pass

    def idle(self):
        pass

    def beat(self):
        pass


def inline(placement):
    return Inline(placement, Watch())


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda check: check.__name__)
def test_inline(check, tmp_path):
    check(inline, tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_processes(check, tmp_path):
    check(Processes, tmp_path)
