"""A column is declared once: what people and programs get of it, in every format."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest

from harness.report.presentation import Cell, Field, Presentation, present
from harness.report.text import render


@dataclass(frozen=True)
class Fruit:
    name: str
    grams: float | None


FIELDS: list[Field[Fruit]] = [
    Field("place", "#", text=lambda fruit: "1", data=False),
    Field("name", "fruit"),
    Field("grams", "weight", "With its skin.", show="{:.0f} g".format, numeric=True),
    Field("tags", value=lambda fruit: [fruit.name[0]]),
    Field("share", "share", value=lambda _: 0.5, text=lambda _: Cell("50%", 0.5, "40–60")),
]
FRUITS = [Fruit("[red]a|b\x1b[2J", 120.4), Fruit("pear", None)]


@pytest.fixture
def found() -> Presentation:
    return present(FIELDS, FRUITS, title="fruits", notes=["one note", "1. a list already"])


def test_people_and_programs_get_different_columns(found):
    assert [column.heading for column in found.columns] == ["#", "fruit", "weight", "share"]
    assert json.loads(render(found, "json")) == [
        {"name": fruit.name, "grams": fruit.grams, "tags": [fruit.name[0]], "share": 0.5}
        for fruit in FRUITS
    ]
    rows = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert list(rows[0]) == ["name", "grams", "share"]  # a list is no cell
    assert (rows[0]["grams"], rows[1]["grams"]) == ("120.4", "")


def test_what_the_page_sorts_by(found):
    assert [[cell.key for cell in row] for row in found.rows] == [
        ["1", FRUITS[0].name, 120.4, 0.5],
        ["1", "pear", None, 0.5],
    ]


@pytest.mark.parametrize("format", ["table", "md"])
def test_text_holds_every_value_and_obeys_nobody(found, format):
    text = render(found, format)
    for part in ("fruits", "weight", "120 g", "50% (40–60)", "–", "[red]a", "\\u001b[2J"):
        assert part in text
    assert "\x1b[2J" not in text


def test_markdown_escapes_bars_and_makes_notes_a_list(found):
    lines = render(found, "md").splitlines()
    assert lines[3] == "|---|---|---:|---|"
    assert "[red]a\\|b" in lines[4]
    assert lines[-2:] == ["- one note", "1. a list already"]


def test_a_document_is_json_whatever_the_records_are(found):
    whole = present(FIELDS, FRUITS, document={"a": 1})
    assert json.loads(render(whole, "json")) == {"a": 1}
    assert render(whole, "csv") == render(found, "csv")


def test_parts_follow_and_no_rows_leave_a_header():
    empty = present(FIELDS, [], title="none")
    whole = Presentation(title="all", parts=(empty, present(FIELDS, FRUITS)))
    text = render(whole, "md")
    assert text.index("all") < text.index("none") < text.index("pear")
    assert render(empty, "csv") == "name,grams,tags,share"
