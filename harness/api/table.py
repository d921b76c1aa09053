"""Tables that a plugin prints through the harness: its columns, declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

if TYPE_CHECKING:
    from pandas import DataFrame

Format = Literal["table", "json", "csv", "md"]
"""How a table is printed: the values of ``--format``."""
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its values in rows, JSON and CSV, and how people see it.

    Attributes:
        heading: by default the key, its underscores as spaces.
        meaning: one line, for the HTML report.
        format: a format specification of Python such as ``.1%`` or ``,d``, for people; JSON and
            CSV have the value itself.
    """

    key: str
    heading: str = ""
    meaning: str = ""
    format: str = ""


class Table(Protocol):
    """A table of stored results: rows by key, as the same command prints with ``--format json``."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the columns do not say, one line each."""

    def to_pandas(self) -> DataFrame:
        """The rows as a pandas DataFrame."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...

    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...
