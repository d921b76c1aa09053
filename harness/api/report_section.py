"""Sections that plugins add to the HTML report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.api.figure import Figure
from harness.api.results import StoredResults, StoredSuite
from harness.api.table import Column


@dataclass(frozen=True, slots=True)
class Reported:
    """What a section is about.

    Attributes:
        results: those of the database, ``suite`` the one that the page is of.
        short: a model's name as charts show it, without what all names begin with.
    """

    results: StoredResults
    suite: StoredSuite
    short: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Section:
    """The content of a section, in this order. Texts are shown as they are, not as HTML.

    Attributes:
        figure: its charts are Vega-Lite; files that ``--figures`` writes have its name, in lower
            case letters, digits and hyphens, which no other section has.
        rows: of a table, ``columns`` what is shown of them; by default all their keys.
    """

    paragraphs: Sequence[str] = ()
    figure: Figure | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    columns: Sequence[Column] = ()


class ReportSection(ABC):
    """A section of the report. The name that it is registered by is its anchor on the page."""

    title: ClassVar[str]
    """Its heading."""
    absent: ClassVar[str]
    """What the page says where the database has nothing for it: ``No curves are stored.``"""

    @abstractmethod
    def section(self, reported: Reported) -> Section | None:
        """The section of one suite's report; None where there is nothing to show."""
