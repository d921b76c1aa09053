"""Commands of plugins: what a verb that is not the harness's own gets from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harness.api.results import StoredResults
from harness.api.table import FORMATS, Column, Format, Table


class Harness(ABC):
    """The harness as a command sees it: `pass_harness` makes it the first argument.

    A command is a click command. What it prints on stdout is its data; control characters in them
    are shown as escapes. An int that it returns is the exit
    code (`ExitCode`), a `HarnessError` that it raises one line on stderr and its exit code.
    Whatever else it raises is one line that names the plugin; ``--debug`` shows where.
    """

    @abstractmethod
    def results(self, db: str | Path = "harness.db") -> StoredResults:
        """The results stored in ``db``, read-only, as ``harness.results`` gives them.

        Raises:
            StoreError: there is no such database, or it cannot be read.
        """

    @abstractmethod
    def show(
        self,
        rows: Table | Iterable[Mapping[str, Any]],
        columns: Sequence[Column] = (),
        *,
        format: Format = "table",
        title: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        """Print a table on stdout: as people read it, or as JSON, CSV or Markdown.

        Args:
            rows: a table of `results` as it is, or mappings of values that JSON has, and numbers of
                numpy; None is a dash.
            columns: what is shown of mappings; by default all their keys.
            notes: below the table; on stderr where the format has no place for them.

        Raises:
            PluginError: a value is not one of those, or does not fit its column's format.
        """

    @abstractmethod
    def say(self, message: str) -> None:
        """Print a message on stderr."""

    @abstractmethod
    def check_registry(self, content: Mapping[str, Any], where: str) -> None:
        """Check ``content``, the sections ``models``, ``datasets`` and ``suites`` of an overlay.

        Names that it refers to may be those of other files.

        Raises:
            ConfigError: it is not valid; the line begins with ``where`` and names the field.
        """


pass_harness = click.make_pass_decorator(Harness)  # type: ignore[type-abstract]
"""A decorator: the command's first argument is a `Harness`."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(flag: str, *names: str, **settings: Any) -> Decorator:
    """As `click.option`; it also reads ``HARNESS_<FLAG>`` and shows its default."""
    variable = "HARNESS_" + flag.lstrip("-").replace("-", "_").upper()
    settings.setdefault("show_default", settings.get("default") is not None)
    return click.option(flag, *names, envvar=variable, **settings)


database_option = option(
    "--db",
    "db",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    default=Path("harness.db"),
    metavar="PATH",
    help="Database file.",
)
"""A decorator: the option ``--db``, a `pathlib.Path`."""

COLUMNS = "harness.columns"
"""Under which a click context keeps the columns that ``--columns`` names."""


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[COLUMNS] = [name.strip() for name in value.split(",") if name.strip()]


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the options ``--format`` and ``--columns``, for `Harness.show`.

    The command gets the argument ``format``; `Harness.show` knows the columns itself.
    """
    command = click.option(  # HARNESS_COLUMNS would name columns of every table
        "--columns",
        metavar="NAME,...",
        expose_value=False,
        callback=_keep,
        help="Only these columns, in this order; those of JSON and CSV can be shown too.",
    )(command)
    return option(
        "--format", "format", type=click.Choice(FORMATS), default="table", help="Output format."
    )(command)
