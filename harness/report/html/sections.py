"""The sections of plugins: what each one made, or why it did not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import Column
from harness.api.figure import Figure
from harness.api.report_section import Reported, ReportSection, Section
from harness.contained import cause
from harness.errors import PluginError
from harness.plugins import Catalog, Kind, Registration, at_work


@dataclass(frozen=True, slots=True)
class PluginSection:
    """A section as the page shows it.

    Attributes:
        name: the anchor.
        absent: said where there is nothing, or why it failed.
        headings, rows: of the table, as text.
    """

    name: str
    title: str
    absent: str
    paragraphs: tuple[str, ...] = ()
    figure: Figure | None = None
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.paragraphs or self.figure or self.rows)


def sections(
    catalog: Catalog, reported: Reported, taken: Iterable[str]
) -> tuple[PluginSection, ...]:
    """The sections of all plugins; one that fails says so in its place.

    Args:
        taken: the names of the page's own figures.
    """
    found: list[PluginSection] = []
    names = set(taken)
    for offer in catalog.all(Kind.REPORT_SECTION):
        try:
            with at_work(offer):
                made = section_of(offer, reported, names)
        except Exception as error:
            said = f"{offer.who}: {cause('it', error)}"
            made = PluginSection(offer.name, offer.summary or offer.name, said)
        if made.figure is not None:
            names.add(made.figure.name)
        found.append(made)
    return tuple(found)


def declared(offer: Registration) -> ReportSection:
    """What a plugin offers, if it is a section with its texts.

    Raises:
        PluginError: it is not. Exception: what making it raised.
    """
    section = offer.load()()
    if not isinstance(section, ReportSection):
        raise PluginError("it is not a ReportSection")
    if not all(isinstance(text, str) and text.strip() for text in (section.title, section.absent)):
        raise PluginError("its title or its `absent` is missing")
    return section


def section_of(offer: Registration, reported: Reported, taken: set[str]) -> PluginSection:
    """What a plugin's section shows.

    Args:
        taken: names that its figure must not have.

    Raises:
        PluginError: it is not as `ReportSection` says. Exception: what it raised.
    """
    section = declared(offer)
    title, absent = section.title, section.absent
    content = section.section(reported)
    if content is None:
        return PluginSection(offer.name, title, absent)
    if not isinstance(content, Section):
        raise PluginError(f"it returned {type(content).__name__}, not a Section")
    if not all(isinstance(text, str) for text in content.paragraphs):
        raise PluginError("a paragraph is not text")
    columns = content.columns or [Column(key) for key in dict.fromkeys(
        key for row in content.rows for key in row)]  # fmt: skip
    return PluginSection(
        name=offer.name,
        title=title,
        absent=absent,
        paragraphs=tuple(content.paragraphs),
        figure=None if content.figure is None else _figure(content.figure, taken),
        headings=tuple(each.heading or each.key.replace("_", " ") for each in columns),
        rows=tuple(_texts(row, columns) for row in content.rows),
    )


def _figure(figure: object, taken: set[str]) -> Figure:
    """``figure``, once its name is free and its charts are what JSON has."""
    if not isinstance(figure, Figure):
        raise PluginError(f"its figure is {type(figure).__name__}, not a Figure")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", figure.name) or figure.name in taken:
        raise PluginError(f"its figure's name, {figure.name!r}, is taken, or is not one")
    if not figure.variants:
        raise PluginError("its figure has no chart")
    for variant in figure.variants:
        if len(variant.choice) != len(figure.selectors):
            raise PluginError(
                f"a chart has {len(variant.choice)} choices of {len(figure.selectors)}"
            )
        json.dumps([variant.spec, {k: list(v) for k, v in variant.data.items()}], allow_nan=False)
    return figure


def _texts(row: Mapping[str, Any], columns: Sequence[Column]) -> tuple[str, ...]:
    values = ((row.get(each.key), each.format) for each in columns)
    return tuple("–" if value is None else format(value, spec) for value, spec in values)
