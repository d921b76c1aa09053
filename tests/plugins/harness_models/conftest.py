"""A web server on this machine whose faults are real: it cuts connections, ignores ranges, lies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for web

import web


@pytest.fixture
def serve() -> Iterator[Callable[..., web.Site]]:
    """Serve files by path; see `web.Site`."""
    running: list[ThreadingHTTPServer] = []

    def start(files: dict[str, bytes], **faults: object) -> web.Site:
        site = web.Site(files, **faults)  # type: ignore[arg-type]
        server = ThreadingHTTPServer(("127.0.0.1", 0), web.handler(site))
        site.url = f"http://127.0.0.1:{server.server_port}"
        running.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return site

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
