"""Reports of synthetic databases, and a headless browser that has no network to go to."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for report_toy and page_toy

from page_toy import render
from report_toy import Toy

for module in ("altair", "vl_convert", "jinja2"):
    pytest.importorskip(module, reason="the extra `report` is not installed")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of 18 models with everything in it."""
    toy = Toy(tmp_path_factory.mktemp("whole") / "harness.db")
    toy.fill()
    toy.surface("digits-vgg16")
    return toy.close()


@pytest.fixture(scope="session")
def page(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    return render(whole, tmp_path_factory.mktemp("page"))


@dataclass
class Opened:
    """A page in the browser, what it complained of, and what it asked the network for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def drawn(self, figure: str, times: int = 1) -> Any:
        """The figure's chart, once it was drawn that often."""
        chart = f'[data-figure="{figure}"] .chart'
        self.page.wait_for_function(
            "([chart, times]) => Number(document.querySelector(chart).dataset.drawn) >= times",
            arg=[chart, times],
        )
        return self.page.locator(chart)


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Open]:
    """Opens a page from its file; nothing else is let through."""
    contexts = []

    def open_page(path: Path, *, scheme: str = "light", width: int = 1280) -> Opened:
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        contexts.append(context)
        found = Opened(context.new_page())
        url = path.resolve().as_uri()

        def route(each: Any) -> None:
            if each.request.url.partition("#")[0] == url:
                each.continue_()
            else:
                found.requests.append(each.request.url)
                each.abort()

        context.route("**/*", route)
        found.page.on("console", lambda message: found.complaints.append(
            f"{message.type}: {message.text}"))  # fmt: skip
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on("dialog", lambda dialog: (found.complaints.append("dialog"),
                                                dialog.dismiss()))  # fmt: skip
        found.page.goto(url)
        return found

    yield open_page
    for context in contexts:
        context.close()
