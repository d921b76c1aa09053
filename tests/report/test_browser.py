"""The page in a real browser: it draws, sorts, selects, is accessible, and asks for nothing."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest
from page_toy import no_clean, render
from report_toy import ATTACKS, HOSTILE, MODELS, Toy

FIGURES = ("frontier", "success", "security", "transfer", "surface")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def axe() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe_playwright_python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text()


def first_column(page, board, cell):
    rows = page.locator(f'[data-boards="{board}"] .board:not([hidden]) tbody tr')
    return [rows.nth(i).locator("th, td").nth(cell).get_attribute("data-key")
            for i in range(rows.count())]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_without_complaint_or_request(opened, page, scheme):
    found = opened(page, scheme=scheme)
    marks = {name: found.drawn(name).locator("svg g.mark-symbol path, svg g.mark-line path,"
                                             " svg g.mark-rect path").count()
             for name in FIGURES}  # fmt: skip
    assert marks["frontier"] >= 18
    assert marks["success"] >= 18
    assert marks["security"] >= 18
    assert marks["transfer"] >= 18 * 18
    assert marks["surface"] >= 21 * 21
    names = [found.drawn(name).get_attribute("aria-label") for name in FIGURES]
    assert all(names)
    assert "18 models" in names[0]
    assert found.complaints == []
    assert found.requests == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (360, "light")])
def test_no_violation_of_level_a_or_aa(opened, page, scheme, width):
    found = opened(page, scheme=scheme, width=width)
    for name in FIGURES:
        found.drawn(name)
    found.page.eval_on_selector_all(
        "details", "all => all.forEach((each) => { each.open = true; })"
    )
    found.page.evaluate(axe())
    result = found.page.evaluate(
        "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags},"
        " resultTypes: ['violations']})",  # selectors for thousands of passes are not wanted
        LEVELS,
    )
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in result["violations"]] == []
    assert len(result["passes"]) > 10


def test_a_phone_scrolls_no_page_sideways(opened, page):
    found = opened(page, width=360)
    for name in FIGURES:
        found.drawn(name)
    assert found.page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("width", [1280, 360])
def test_rank_and_model_stay_in_view_while_a_wide_table_scrolls(opened, page, width):
    found = opened(page, width=width).page
    table = found.locator('[data-boards="joint"] .board:not([hidden]) .scroll')
    table.evaluate("each => each.scrollIntoView({behavior: 'instant'})")
    row = table.locator("tbody tr").nth(2)
    fixed = [row.locator("td, th").nth(place) for place in (0, 1)]
    before = [each.bounding_box() for each in fixed]
    table.evaluate("each => { each.scrollLeft = each.scrollWidth; }")
    assert table.evaluate("each => each.scrollLeft") > 100
    assert [each.bounding_box() for each in fixed] == before
    box = table.bounding_box()
    assert before[1]["x"] + before[1]["width"] < box["x"] + 0.6 * box["width"]
    for each in fixed:  # nothing is drawn over them
        assert each.evaluate(
            "each => { const box = each.getBoundingClientRect();"
            " return each.contains(document.elementFromPoint(box.x + box.width / 2,"
            " box.y + box.height / 2)); }"
        )


def test_headings_stay_in_view_while_a_long_table_scrolls(opened, page):
    found = opened(page).page
    table = found.locator('[data-boards="joint"] .board:not([hidden]) .scroll')
    heading = table.locator("thead th").nth(3)
    table.evaluate("each => { each.scrollTop = each.scrollHeight; }")
    assert table.evaluate("each => each.scrollTop") > 40
    assert heading.bounding_box()["y"] == pytest.approx(table.bounding_box()["y"], abs=2)


def test_the_frontier_comes_first(opened, page):
    sections = opened(page).page.locator("main > section")
    assert [sections.nth(place).get_attribute("id") for place in (0, 1)] == [
        "frontier", "leaderboard",
    ]  # fmt: skip


def test_an_attack_has_a_short_name_and_a_full_one(opened, page):
    found = opened(page)
    found.drawn("frontier")
    full = "ead iterations=1000"
    heading = found.page.locator(
        '[data-boards="joint"] .board:not([hidden]) thead button',
        has_text=re.compile("^ead l1$"),
    )
    assert full in heading.get_attribute("title")
    metric = found.page.locator('[data-figure="frontier"]').get_by_role("combobox", name="Metric")
    assert metric.locator(f'option[title="{full}"]').inner_text() == "ead"
    metric.select_option(label="ead")
    assert found.page.locator('[data-figure="frontier"] p.full').inner_text() == full
    attacks = found.page.locator("details", has_text="all their parameters")
    attacks.locator("summary").press("Enter")
    assert full in attacks.inner_text()


def test_sorting_by_click_and_by_keyboard(opened, page):
    found = opened(page).page
    heading = found.locator('[data-boards="attacks"] .board:not([hidden]) thead th').nth(4)
    heading.locator("button").click()
    values = [float(key) for key in first_column(found, "attacks", 4)]
    assert values == sorted(values)
    assert values[0] < values[-1]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").press("Enter")
    assert [float(key) for key in first_column(found, "attacks", 4)] == sorted(values)[::-1]
    assert heading.get_attribute("aria-sort") == "descending"
    assert "descending" in found.locator("#announce").inner_text()


def test_what_has_no_value_stays_last_either_way(opened, page):
    found = opened(page).page
    board = found.locator('[data-boards="attacks"] .board:not([hidden])')
    rows = board.locator("tbody tr")
    for row in (0, 3):  # no model of this database lacks one
        rows.nth(row).locator("th, td").nth(0).evaluate("cell => { cell.dataset.key = '' }")
    for _ in range(2):
        board.locator("thead button").nth(0).click()
        keys = first_column(found, "attacks", 0)
        assert [key == "" for key in keys] == [False] * (len(keys) - 2) + [True] * 2


def test_selecting_draws_another_chart(opened, page):
    found = opened(page)
    chart = found.drawn("transfer")
    before = chart.get_attribute("aria-label")
    figure = found.page.locator('[data-figure="transfer"]')
    figure.get_by_role("combobox", name="Goal").select_option("random")
    found.drawn("transfer", 2)
    after = chart.get_attribute("aria-label")
    assert "error rate" in before
    assert "top-5 match" in after
    rates = figure.get_by_role("combobox", name="Rate").locator("option").all_inner_texts()
    assert rates == ["top-5 match", "top-1 match"]


def test_highlighting_a_model_makes_the_others_faint(opened, page):
    found = opened(page)
    chart = found.drawn("frontier")
    found.page.locator('[data-figure="frontier"]').get_by_role(
        "combobox", name="Highlight"
    ).select_option("vgg16")
    shown = '[data-figure="frontier"] [aria-roledescription="point"]'
    found.page.wait_for_function(
        "(shown) => [...document.querySelectorAll(shown)]"
        ".filter((mark) => mark.getAttribute('opacity') === '1').length === 1", arg=shown
    )  # fmt: skip
    assert "vgg16" in chart.locator(
        '[aria-roledescription="point"][opacity="1"]'
    ).first.get_attribute("aria-label")


def test_the_numbers_behind_a_chart_are_a_table(opened, page):
    found = opened(page)
    found.drawn("frontier")
    numbers = found.page.locator('[data-figure="frontier"] .numbers')
    numbers.locator("summary").press("Enter")
    rows = numbers.locator("tbody tr")
    rows.first.wait_for()  # it is made when it is opened
    assert rows.count() == 18
    assert any("digits-vgg16" in text for text in rows.all_inner_texts())


def test_charts_follow_a_change_of_colour_scheme(opened, page):
    found = opened(page)
    found.drawn("frontier")
    found.page.emulate_media(color_scheme="dark")
    found.drawn("frontier", 2)
    assert found.complaints == []


def test_a_hostile_name_does_no_harm(opened, tmp_path):
    models = [replace(MODELS[0], name=HOSTILE, family=HOSTILE), MODELS[1], MODELS[2]]
    attacks = [replace(attack, name=f"{attack.name}{HOSTILE}") for attack in ATTACKS[:6]]
    attacks.append(ATTACKS[9])
    toy = Toy(tmp_path / "harness.db", models=models, attacks=attacks, images=12, clean_images=30)
    toy.fill()
    found = opened(render(toy.close(), tmp_path, reader=no_clean))
    for name in ("frontier", "security", "transfer"):
        found.drawn(name)
    assert found.complaints == []
    assert found.requests == []
    assert HOSTILE in found.page.locator("#leaderboard").inner_text()
    assert found.page.locator("script").count() == 3


def test_half_the_cells_missing_is_told_by_name(opened, tmp_path):
    lacking = {model.name for model in MODELS[::2]}
    toy = Toy(tmp_path / "harness.db", images=10, clean_images=40, attacks=ATTACKS[9:],
              skip=lambda model, label, goal: model in lacking and label != "clean")  # fmt: skip
    toy.fill(transfer=False, pictures=False)
    found = opened(render(toy.close(), tmp_path, reader=no_clean))
    found.drawn("frontier")
    text = found.page.locator("#provenance").text_content()
    for name in lacking:
        assert f"{name}: not run" in text
    assert "Incomplete" in found.page.locator("header").inner_text()
    assert "No transfers are stored" in found.page.locator("#transfer").inner_text()
    assert "No adversarial images" in found.page.locator("#images").inner_text()
    assert found.complaints == []
