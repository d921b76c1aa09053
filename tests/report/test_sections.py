"""Sections of plugins: the documentation's on a page, and what each mistake costs."""

from __future__ import annotations

import re
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from page_toy import render
from report_toy import MODELS, Toy

from harness.api import Column, Reported, ReportSection, Section
from harness.api.figure import Figure, Table, Variant
from harness.library.results import results
from harness.plugins import Catalog, Kind, PluginReport, Registration, installed
from harness.report.html.sections import PluginSection, sections

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toy = Toy(
        tmp_path_factory.mktemp("small") / "h.db", models=MODELS[:4], images=12, clean_images=30
    )
    toy.fill(measure=False, transfer=False, pictures=False)
    return toy.close()


CHART = Variant(("one",), ("One",), "a dot", {"mark": "point"}, {"rows": [{"x": 1.0}]},
                Table(("x",), (("1",),)))  # fmt: skip
FIGURE = Figure("acme", "How to read it.", ("Which",), (CHART,))


class Good(ReportSection):
    title, absent = "<b>Acme</b>", "Nothing of Acme."
    body: ClassVar[Any] = Section(["<script>alert(1)</script>"], FIGURE, [{"a": 0.5, "b": None}],
                                  [Column("a", "share", format=".0%"), Column("b")])  # fmt: skip

    def section(self, reported: Reported) -> Any:
        return self.body


class Raises(Good):
    def section(self, reported: Reported) -> Any:
        raise KeyboardInterrupt


def shows(body: object, **more: Any) -> type[ReportSection]:
    return type("Shows", (Good,), {"body": body, **more})


def drawn(**changes: Any) -> type[ReportSection]:
    return shows(Section(figure=replace(FIGURE, **changes)))


OFFERS: dict[str, Any] = {
    "good": Good,
    "nothing": shows(None),
    "raises": Raises,
    "text": shows("<p>"),
    "numbers": shows(Section([3])),  # type: ignore[list-item]
    "untitled": shows(None, title=""),
    "taken": drawn(name="frontier"),
    "named": drawn(name="../x"),
    "empty": drawn(name="e", variants=()),
    "choices": drawn(name="c", variants=(replace(CHART, choice=()),)),
    "nan": drawn(name="n", variants=(replace(CHART, data={"rows": [{"x": float("nan")}]}),)),
    "format": shows(Section(rows=[{"a": "x"}], columns=[Column("a", format=".1f")])),
    "other": object,
}
REASONS = {
    "raises": "it raised KeyboardInterrupt",
    "text": "it returned str, not a Section",
    "numbers": "a paragraph is not text",
    "untitled": "its title or its `absent` is missing",
    "taken": "its figure's name, 'frontier', is taken",
    "named": "its figure's name, '../x', is taken, or is not one",
    "empty": "its figure has no chart",
    "choices": "a chart has 0 choices of 1",
    "nan": "it raised ValueError",
    "format": "it raised ValueError",
    "other": "it is not a ReportSection",
}


def catalog(offers: dict[str, Any]) -> Catalog:
    """The installed plugins, and one with ``offers``."""
    module = types.ModuleType("acme_sections")
    sys.modules["acme_sections"] = module
    registered = []
    for name, target in offers.items():
        setattr(module, name, target)
        registered.append(
            Registration(
                Kind.REPORT_SECTION, name, f"acme_sections:{name}", "1", "", "acme", "acme"
            )
        )
    return Catalog([*installed().reports, PluginReport("acme", "acme", "1", registered)])


def test_what_goes_wrong_is_said_in_its_place(small: Path) -> None:
    stored = results(small)
    reported = Reported(stored, stored.suite(), str)
    found = {each.name: each for each in sections(catalog(OFFERS), reported, ["frontier"])}
    assert found.keys() == {"surfaces", *OFFERS}
    assert found["nothing"] == PluginSection("nothing", "<b>Acme</b>", "Nothing of Acme.")
    good = found["good"]
    assert (good.figure, good.headings, good.rows) == (FIGURE, ("share", "b"), (("50%", "–"),))
    for name, reason in REASONS.items():
        assert found[name].empty
        assert found[name].absent.startswith("plugin acme (acme): "), found[name]
        assert reason in found[name].absent


def test_the_section_of_the_documentation_and_a_figure(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = PAGE.read_text().split("\n## Report sections\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)
    there: dict[str, Any] = {}
    exec(code, there)
    offers = {"most-accurate": there["MostAccurate"], "good": Good, "raises": Raises}
    monkeypatch.setattr("harness.report.html.content.installed", lambda: catalog(offers))
    page = render(small, tmp_path).read_text()
    own = page.split('<section id="most-accurate"')[1].split("</section>")[0]
    assert "Accuracy is over all images, before any attack." in own
    assert len(re.findall(r"<td>[\d.]+%</td>", own)) == 3
    assert '<a href="#most-accurate">The most accurate models</a>' in page
    own = page.split('<section id="good"')[1].split("</section>")[0]
    assert "&lt;b&gt;Acme&lt;/b&gt;" in own
    assert "<script>" not in own
    assert 'data-figure="acme"' in own
    assert '"acme":' in page
    assert "plugin acme (acme): it raised KeyboardInterrupt" in page
