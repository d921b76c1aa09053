"""Processes for the fits, the same ones for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.engine.workers import Workers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(1) as started:
        yield started
