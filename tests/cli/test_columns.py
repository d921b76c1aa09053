"""``--columns``: any table with the columns that the user names, in that order."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click
import pytest

from harness.errors import ConfigError
from harness.report.chosen import with_columns
from harness.report.presentation import Field, Presentation, present

FIELDS: list[Field[dict[str, Any]]] = [
    Field("name", "fruit"),
    Field("grams", "weight", show="{:.1f} g".format, numeric=True),
    Field("code"),
    Field("note", "note", text=lambda row: row["name"].upper(), data=False),
]
ROWS = [{"name": "fig", "grams": 40.25, "code": None}, {"name": "pea", "grams": 0.5, "code": 3}]


def cells(found: Presentation) -> list[list[str | None]]:
    return [[cell.plain for cell in row] for row in found.rows]


def test_shown_and_hidden_columns_in_the_order_asked_for() -> None:
    found = with_columns(present(FIELDS, ROWS), ["code", "grams", "note", "name"])
    assert [column.heading for column in found.columns] == ["code", "weight", "note", "fruit"]
    assert cells(found) == [[None, "40.2 g", "FIG", "fig"], ["3", "0.5 g", "PEA", "pea"]]
    assert found.records == (
        {"code": None, "grams": 40.25, "note": "FIG", "name": "fig"},
        {"code": 3, "grams": 0.5, "note": "PEA", "name": "pea"},
    )


def test_a_wrong_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"--columns: unknown column 'gram'; did you mean 'gra"):
        with_columns(present(FIELDS, ROWS), ["name", "gram"])
    with pytest.raises(ConfigError, match=r"'zzz'; there are: name, grams, note, code"):
        with_columns(present(FIELDS, []), ["zzz"])


def test_of_several_tables_each_shows_what_it_has() -> None:
    second = present([Field("code", "code"), Field("left", "left")], [{"code": 1, "left": 2}])
    third = present([Field("left", "left")], [{"left": 2}])
    found = with_columns(present(FIELDS, ROWS, parts=[second, third]), ["code", "name"])
    assert [column.key for column in found.columns] == ["code", "name"]
    (part,) = found.parts
    assert isinstance(part, Presentation)
    assert cells(part) == [["1"]]


TABLES = {
    "leaderboard": "model,success,top1_low",
    "leaderboard --joint": "mean_rank,model",
    "leaderboard --attacks": "attack,goal,rivals",
    "compare {0} {1}": "what,first,only_first",
    "transfer": "source,target,rate",
    "findings": "verdict,name",
    "fingerprint {0}": "family,probability",
    "status --cells": "model,attack,goal,done",
    "show": "model,attack",
    "runs list": "run,suite",
}


@pytest.fixture(scope="module")
def models(whole_study: Path) -> list[str]:
    from harness.library.results import results

    return list(results(whole_study).suite().models)


@pytest.mark.parametrize("command", TABLES)
def test_every_table_of_results(
    harness: Any, whole_study: Path, models: list[str], command: str
) -> None:
    names = TABLES[command].split(",")
    words = [*command.format(*models).split(), "--db", whole_study, "--columns", TABLES[command]]
    printed = json.loads(harness(*words, "--format", "json").out)
    rows = printed if isinstance(printed, list) else printed["rows"]
    assert rows
    assert all(list(row) == names for row in rows)
    if "columns" in printed:
        assert [column["key"] for column in printed["columns"]] == names
    flat = list(csv.DictReader(io.StringIO(harness(*words, "--format", "csv").out)))
    assert len(flat) == len(rows)
    assert list(flat[0]) == names
    table = harness(*words, "--format", "md").out
    (head,) = [line for line in table.splitlines() if line.startswith("|-")][:1]
    assert head.count("|") == len(names) + 1
    wrong = harness(*words[:-1], "nothing")
    assert wrong.code == 2
    assert "--columns: unknown column 'nothing'" in wrong.err


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        ("models list", "parameters,name"),
        ("attacks list", "version,name"),
        ("suites list", "name,summary"),
        ("plugins list", "status,name"),
        ("doctor --suite digits18", "name,state"),
    ],
)
def test_lists(harness: Any, command: str, columns: str) -> None:
    done = harness(*command.split(), "--columns", columns, "--format", "json")
    rows = json.loads(done.out)
    assert all(list(row) == columns.split(",") for row in rows)
    assert all(row["name"] for row in rows)


def test_every_command_with_a_format_has_them() -> None:
    """Walks over the whole command line."""
    from harness.cli.main import cli

    def walk(command: click.Command, context: click.Context, name: str) -> None:
        options = {option for each in command.params for option in each.opts}
        if "--format" in options and name != "export":
            assert "--columns" in options, name
        if isinstance(command, click.Group):
            for verb in command.list_commands(context):
                inner = command.get_command(context, verb)
                assert inner is not None
                walk(inner, context, f"{name} {verb}".strip())

    walk(cli, click.Context(cli), "")
