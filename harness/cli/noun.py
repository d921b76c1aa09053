"""What the nouns of the command line have in common: a group with ``list`` and ``show``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli import printing
from harness.cli.options import output_format, registries
from harness.cli.verbs import group
from harness.errors import ConfigError
from harness.report.presentation import Field, Format, Presentation, present

Source = TypeVar("Source")
Row = Mapping[str, Any]


def noun(
    name: str,
    fields: Sequence[Field[Row]],
    source: Callable[[Sequence[Path]], Source],
    rows: Callable[[Source], Sequence[Row]],
    facts: Callable[[Source, str], Row],
    *,
    overlays: bool = False,
    entries: bool = False,
) -> click.Group:
    """The group ``name``: ``list`` (``rows`` as ``fields``) and ``show`` (the ``facts`` of one).

    With ``overlays`` both take ``--registry``, and ``source`` receives its files; with ``entries``
    these may hold what the noun lists.
    """

    def list_(format: Format, registry_files: Sequence[Path] = ()) -> None:
        found = rows(source(registry_files))
        printing.show(present(map(_flattened, fields), found, document=found), format)

    def show(name: str, format: Format, registry_files: Sequence[Path] = ()) -> None:
        known = source(registry_files)
        try:
            found = facts(known, name)
        except ConfigError as error:
            if not entries or registry_files or not error.what.startswith("unknown "):
                raise
            hint = f"{error.hint} (--registry FILE knows those of an overlay)"
            raise ConfigError(error.what, where=error.where, hint=hint) from None
        printing.show(describe(found), format)

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


FACT: tuple[Field[Row], ...] = (Field("field", "field"), Field("value", "value"))


def describe(facts: Row) -> Presentation:
    """``facts``: names and values, then a table for each list of mappings or mapping of them.

    JSON is one object; CSV has no further tables, the lists are JSON there.
    """
    tables = {key: rows for key, value in facts.items() if (rows := _table(value))}
    parts = [
        present([Field(name, _spaced(name)) for name in rows[0]], map(_spelled, rows),
                title=f"{_spaced(key)}:")
        for key, rows in tables.items()
    ]  # fmt: skip
    spelled = {
        key: {"field": _spaced(key), "value": value} for key, value in _spelled(facts).items()
    }
    plain = [row for key, row in spelled.items() if key not in tables]
    found = present(FACT, plain, parts=parts, document=facts)
    return replace(found, records=tuple(spelled.values()))


def _spaced(key: str) -> str:
    return key.replace("_", " ")


def _table(value: Any) -> list[Row]:
    """The rows that a value is; none where it is no table."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return value
    if isinstance(value, dict) and value and all(isinstance(each, dict) for each in value.values()):
        return [{"name": name, "values": _pairs(each)} for name, each in value.items()]
    return []


def _pairs(values: Row) -> str:
    return " ".join(f"{name}={_spell(value)}" for name, value in values.items()) or "the defaults"


def _spelled(row: Row) -> dict[str, str | None]:
    return {key: _spell(value) for key, value in row.items()}


def _flattened(field: Field[Row]) -> Field[Row]:
    """``field``, of whose lists and mappings CSV and tables get one text."""
    return replace(field, value=lambda row: _flat(field.value_of(row)))


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
