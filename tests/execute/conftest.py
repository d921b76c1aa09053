"""Toy models of several sizes behind a real plugin, and a suite that transfers between them."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for transfer_toys

from transfer_toys import registry


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin of ``sizes.py``, installed; the user's cache is the test's own."""
    from harness.plugins import installed

    site = tmp_path.with_name(f"{tmp_path.name}-site")
    info = site / "acme_sizes-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-sizes\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nsizes = sizes\n")
    shutil.copy(Path(__file__).parent / "sizes.py", site)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("XDG_CACHE_HOME", str(site / "cache"))
    # As if it were bundled: in this process unless a test asks for others.
    monkeypatch.setattr("harness.execute.driver.hiring.is_bundled", lambda origin: True)
    importlib.invalidate_caches()
    installed.cache_clear()
    yield
    installed.cache_clear()
    sys.modules.pop("sizes", None)


@pytest.fixture
def run(toys, harness, tmp_path):
    """Runs the suite ``toys`` of some models."""

    def run(*models: str, transfer: str = "{}", keep: str = "true", options=(), verb="run"):
        path = tmp_path / "toys.yaml"
        path.write_text(registry(models, transfer, keep))
        return harness(verb, "--registry", path, "--suite", "toys", *options)

    return run
