"""The documentation's site: it builds without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent


class Links(HTMLParser):
    """What a page links to and loads, and the places in it that others can link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(found["id"])
        if tag == "a" and found.get("href"):
            self.targets.append(found["href"])
        elif tag in {"link", "img", "script", "source", "iframe"}:
            self.loaded += [found[name] for name in ("href", "src", "srcset") if found.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> dict[Path, Links]:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {page: Links(page.read_text()) for page in folder.rglob("*.html")}


def test_every_link_leads_somewhere(site):
    broken = defaultdict(list)
    for page, links in site.items():
        for target in {*links.targets, *links.loaded}:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or page.name == "404.html":
                continue
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if there.is_dir():
                there /= "index.html"
            anchors = site[there].anchors if there in site else {parts.fragment}
            if not there.exists() or (parts.fragment and parts.fragment not in anchors):
                broken[page.name].append(target)
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site):
    for page, links in site.items():
        assert not [target for target in links.loaded if urlsplit(target).netloc], page.name


def test_commands_and_api_are_on_their_pages(site):
    import harness
    from harness import api
    from harness.verbs import VERBS

    pages = {page.name: links for page, links in site.items()}
    assert {f"harness-{verb}" for verb in VERBS} <= pages["cli.html"].anchors
    documented = {anchor.rpartition(".")[2] for anchor in pages["api.html"].anchors}
    assert set(api.__all__) <= documented
    assert {name for name in harness.__all__ if not name.startswith("_")} <= documented
