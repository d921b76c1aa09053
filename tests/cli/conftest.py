"""A third party's loader with a web server, for the tests of what a run needs."""

from __future__ import annotations

import functools
import http.server
import importlib
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for database_toy


WEIGHTS = Path(__import__("harness_digits").__file__).parent / "weights"


@dataclass
class Server:
    """What it serves, and what it was asked for."""

    folder: Path
    cache: Path
    asked: list[str] = field(default_factory=list)

    def offer(self, *names: str) -> None:
        for name in names:
            shutil.copy(WEIGHTS / f"{name}.safetensors", self.folder)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The plugin of ``cloud.py``, installed; its empty server, which runs."""
    from harness.plugins import installed

    site = tmp_path.with_name(f"{tmp_path.name}-site")
    info = site / "acme_cloud-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-cloud\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\ncloud = cloud\n")
    shutil.copy(Path(__file__).parent / "cloud.py", site)
    served = Server(site / "served", site / "cache")
    served.folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            served.asked.append(self.path)

    handler = functools.partial(Handler, directory=str(served.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("CLOUD_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("CLOUD_CACHE", str(served.cache))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        installed.cache_clear()
        yield served
        server.shutdown()
    installed.cache_clear()
    sys.modules.pop("cloud", None)


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of `database_toy`, which no test changes."""
    import database_toy

    path = tmp_path_factory.mktemp("study") / "harness.db"
    database_toy.fill(path)
    return path
