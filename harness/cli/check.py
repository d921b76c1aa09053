"""``harness check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from harness.analysis.regression import Change
    from harness.analysis.standing import Standing
    from harness.report.presentation import Format

MAGIC = b"SQLite format 3\0"


@verb("check")
@option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A run's summary, a leaderboard as JSON, or a database.",
)
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option("--models", metavar="GLOB,...", help="Only these models of the baseline.")
@output_format()
def check(
    baseline: Path, db: Path, suite: str | None, models: str | None, format: Format
) -> ExitCode:
    """Exit code 1 if a model's accuracy or robustness (robust accuracy, or mean distortion) fell by
    more than the 95% interval of the difference, or is missing. The difference is over the same
    images where the database, or a baseline that is one, holds the rows of both.
    """
    from harness.analysis.regression import BAD
    from harness.analysis.results import Results
    from harness.report.check import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        name = Results(stored.conn).suite(suite).name
        found = _changes(baseline, stored.conn, name, models)
    show(presentation(found, name, baseline).of(db), format)
    return ExitCode.CELLS_FAILED if any(each.verdict in BAD for each in found) else ExitCode.OK


def _changes(baseline: Path, now: Connection, suite: str, models: str | None) -> list[Change]:
    from harness.analysis.baseline import from_json
    from harness.analysis.regression import Stores, changes
    from harness.analysis.results import Results
    from harness.analysis.standing import standings
    from harness.store.database import snapshot

    current = list(standings(Results(now).suite(suite)))
    if not _is_database(baseline):
        before = _chosen(from_json(baseline), suite, models, baseline)
        return changes(before, current, Stores(now=now, before=now))
    with snapshot(baseline) as stored:
        earlier = Results(stored.conn)
        every = list(standings(earlier.suite(suite))) if suite in earlier.suites else []
        before = _chosen(every, suite, models, baseline)
        return changes(before, current, Stores(now=now, before=stored.conn))


def _chosen(
    every: Sequence[Standing], suite: str, models: str | None, baseline: Path
) -> list[Standing]:
    """Those of the suite and of the models that are asked for.

    Raises:
        ConfigError: there are none.
    """
    from fnmatch import fnmatchcase

    from harness.cli.selection import listed

    globs = listed(models) or ["*"]
    found = [
        each
        for each in every
        if each.suite == suite and any(fnmatchcase(each.model, glob) for glob in globs)
    ]
    if not found:
        suites = ", ".join(dict.fromkeys(each.suite for each in every)) or "none"
        which = f" and models {models}" if models else ""
        raise ConfigError(
            f"has no results of suite {suite!r}{which}",
            where=str(baseline),
            hint=f"its suites: {suites}",
        )
    return found


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=str(path)) from error
