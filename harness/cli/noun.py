"""What the nouns of the command line have in common: a group with ``list`` and ``show``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.options import output_format, registries
from harness.cli.verbs import group
from harness.report.tables import Column, Format, render
from harness.terminal import echo

Source = TypeVar("Source")
Row = Mapping[str, Any]


def noun(
    name: str,
    columns: Sequence[Column],
    source: Callable[[Sequence[Path]], Source],
    rows: Callable[[Source], Sequence[Row]],
    facts: Callable[[Source, str], Row],
    *,
    overlays: bool = False,
) -> click.Group:
    """The group ``name``: ``list`` (``rows`` as ``columns``) and ``show`` (the ``facts`` of one).

    With ``overlays`` both take ``--registry``, and ``source`` receives its files.
    """

    def list_(format: Format, registry_files: Sequence[Path] = ()) -> None:
        found = rows(source(registry_files))
        if format != "json":  # the others have no lists within rows
            found = [{key: _flat(value) for key, value in row.items()} for row in found]
        echo(render(found, columns, format))

    def show(name: str, format: Format, registry_files: Sequence[Path] = ()) -> None:
        echo(describe(facts(source(registry_files), name), format))

    noun = group(name)
    options = [output_format(), *([registries()] if overlays else [])]
    for verb, text, act in (
        ("list", "List all of them.", list_),
        ("show", "Show one of them in full.", click.argument("name")(show)),
    ):
        for option in options:
            act = option(act)
        noun.add_command(click.command(verb, help=text)(act))
    return noun


def describe(facts: Row, format: Format) -> str:
    """``facts`` as text: names and values, then a table for each list of mappings.

    JSON is one object; CSV has no further tables, the lists are JSON there.
    """
    if format == "json":
        return json.dumps(dict(facts), indent=2, allow_nan=False)
    tables = {key: value for key, value in facts.items() if _is_table(value) and format != "csv"}
    plain = [
        {"field": _spaced(key), "value": _spell(value)}
        for key, value in facts.items()
        if key not in tables
    ]
    parts = [render(plain, [Column("field", "field"), Column("value", "value")], format)]
    for key, rows in tables.items():
        columns = [Column(name, _spaced(name)) for name in rows[0]]
        spelled = [{name: _spell(value) for name, value in row.items()} for row in rows]
        parts += [f"{_spaced(key)}:", render(spelled, columns, format)]
    return "\n\n".join(parts)


def _spaced(key: str) -> str:
    return key.replace("_", " ")


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _flat(value: Any) -> Any:
    return _spell(value) if isinstance(value, list | dict) else value


def _spell(value: Any) -> str | None:
    """A JSON-like value for people; None, a dash in tables, for what is empty."""
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if item is not None}
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(str(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
