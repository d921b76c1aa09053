"""Files over HTTP, with faults."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler


@dataclass
class Site:
    """What is served, how, and what was asked.

    Attributes:
        cut: how many bytes of a body are sent before the connection breaks; one for each request,
            the last one for all later ones; None: all of it.
        ranges: whether Range is understood.
        requests: (method, path, Range) of each request.
    """

    files: dict[str, bytes]
    cut: list[int | None] = field(default_factory=lambda: [None])
    ranges: bool = True
    url: str = ""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def asked(self) -> list[str | None]:
        """The ranges of the GET requests."""
        return [wanted for method, _, wanted in self.requests if method == "GET"]


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            wanted = self.headers.get("Range")
            site.requests.append((self.command, self.path, wanted))
            content = site.files.get(self.path)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and site.ranges else 0
            if start and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                last, size = len(content) - 1, len(content)
                self.send_header("Content-Range", f"bytes {start}-{last}/{size}")
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "c" * 40)
            self.end_headers()
            if body:
                cut = site.cut.pop(0) if len(site.cut) > 1 else site.cut[0]
                self.wfile.write(content[start:] if cut is None else content[start:][:cut])
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
