"""It keeps what every executor has to."""

from __future__ import annotations

import pytest

from harness.testing.executors import CHECKS

pytest.importorskip("ray", reason="Ray is not installed: pip install 'frontier-harness[ray]'")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_on_a_cluster_that_it_joins(check, make, tmp_path):
    check(make, tmp_path)
