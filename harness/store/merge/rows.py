"""Rows of one database into another, in SQL: what is the same, what is missing, what disagrees.

The source is attached as ``other``. Its ids are not those of ``main``: every table with an id has
a temporary ``map_<table>`` (other, here) once its rows are united, and references go through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Literal

from harness.api import NORMS
from harness.store.columns import RETRYABLE

Verdict = Literal["added", "replaced", "equal", "noise", "conflicts", "left"]

NOISE = 1e-4
"""Norms that differ by less, relatively, are the same result on another machine."""
SCORE_NOISE = 1e-3
"""So are scores of measurements: fits and searches magnify the rounding of gradients."""

KEYS = {
    "components": ("kind", "digest"),
    "environments": ("digest",),
    "plans": ("digest",),
    "images": ("dataset_id", "name", "digest", "label"),
    "cells": ("key",),
    "adaptations": ("height", "width", "cut", "border"),
    "pairs": ("source_cell_id", "target_cell_id", "adaptation_id"),
}
"""What makes a row of a table the same row in two databases, after the tables it refers to."""


def columns(connection: Connection, table: str) -> list[str]:
    """The table's columns but ``id``."""
    found = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
    return [row[1] for row in found if row[1] != "id"]


def references(connection: Connection, table: str) -> dict[str, str]:
    """The table that each column with a reference refers to."""
    found = connection.execute(f"PRAGMA main.foreign_key_list({table})").fetchall()
    return {row[3]: row[2] for row in found}


def translated(connection: Connection, table: str) -> dict[str, str]:
    """Each column of a row ``o`` of ``other``, in SQL, as ``main`` would have it."""
    refers = references(connection, table)
    return {
        name: f"(SELECT here FROM map_{refers[name]} WHERE other = o.{name})"
        if name in refers
        else f"o.{name}"
        for name in columns(connection, table)
    }


def make_map(connection: Connection, table: str) -> None:
    """The empty map of a table."""
    connection.execute(
        f"CREATE TEMP TABLE map_{table} (other INTEGER PRIMARY KEY, here INTEGER NOT NULL)"
    )


def map_keyed(connection: Connection, table: str) -> int:
    """Insert the missing rows of a table of `KEYS`, and map it; returns their number."""
    values = translated(connection, table)
    added = _insert_with_ids(connection) if table == "images" else 0
    added += insert_missing(connection, table)
    same = " AND ".join(f"h.{name} = {values[name]}" for name in KEYS[table])
    make_map(connection, table)
    connection.execute(
        f"INSERT INTO map_{table}"
        f" SELECT o.id, h.id FROM other.{table} AS o JOIN main.{table} AS h ON {same}"
    )
    return added


def _insert_with_ids(connection: Connection) -> int:
    """Insert the missing images whose ids are free, with these ids; returns their number.

    Parts of a run have the ids of the whole run, and results are resampled in their order.
    """
    values = translated(connection, "images")
    return connection.execute(
        f"INSERT INTO main.images (id, {', '.join(values)})"
        f" SELECT o.id, {', '.join(values.values())} FROM other.images AS o"
        " WHERE o.id NOT IN (SELECT id FROM main.images) ON CONFLICT DO NOTHING"
    ).rowcount


def insert_missing(connection: Connection, table: str) -> int:
    """Insert the rows whose key is not there yet; returns their number."""
    values = translated(connection, table)
    return connection.execute(
        f"INSERT INTO main.{table} ({', '.join(values)})"
        f" SELECT {', '.join(values.values())} FROM other.{table} AS o WHERE true"
        " ON CONFLICT DO NOTHING"
    ).rowcount


def keep_worse_trials(connection: Connection) -> None:
    """Of two trials of a model keep the one that speaks more against it, whichever came first."""
    names = columns(connection, "trials")
    values = ", ".join(
        f"{value} AS {name}" for name, value in translated(connection, "trials").items()
    )
    order = ("difference", "images", "outputs", "nearby", "dynamic", "gradient_error")
    # a NULL would make the whole comparison one
    mine, theirs = (
        ", ".join(f"ifnull({side}.{name}, -1)" for name in order) for side in ("h", "o")
    )
    new = ", ".join(f"{name} = o.{name}" for name in names if name != "cell_id")
    connection.execute(
        f"UPDATE main.trials AS h SET {new} FROM (SELECT {values} FROM other.trials AS o) AS o"
        f" WHERE o.cell_id = h.cell_id AND ({theirs}) > ({mine})"
    )


def map_whole(connection: Connection, table: str) -> int:
    """The same for rows that have no key: those equal in every column are the same.

    Two equal rows of one database stay two. Nobody writes either database, so what is ``running``
    was interrupted.
    """
    values = translated(connection, table)
    if "status" in values:
        ended = "CASE {0} WHEN 'running' THEN 'interrupted' ELSE {0} END"
        values["status"] = ended.format(values["status"])
        connection.execute(
            f"UPDATE main.{table} SET status = 'interrupted' WHERE status = 'running'"
        )
    names = ", ".join(values)
    here: dict[tuple[object, ...], list[int]] = {}
    for number, *row in connection.execute(f"SELECT id, {names} FROM main.{table} ORDER BY id"):
        here.setdefault(tuple(row), []).append(number)
    there = connection.execute(
        f"SELECT o.id, {', '.join(values.values())} FROM other.{table} AS o ORDER BY o.id"
    ).fetchall()
    make_map(connection, table)
    added = 0
    for number, *row in there:
        same = here.get(tuple(row))
        if same:
            found: int | None = same.pop(0)
        else:
            places = ", ".join("?" * len(row))
            found = connection.execute(
                f"INSERT INTO main.{table} ({names}) VALUES ({places})", row
            ).lastrowid
            added += 1
        connection.execute(f"INSERT INTO map_{table} VALUES (?, ?)", [number, found])
    return added


@dataclass(frozen=True, slots=True)
class Results:
    """A table of results, one for each ``key``.

    In the SQL ``o`` is the source's row and ``h`` the target's of the same key.

    Attributes:
        failed: whether the row of this alias ({0}) is no result; a good one replaces it.
        decisive: the columns that must agree.
        close: whether the rest is equal up to noise.
        equal: whether what other tables hold of it is equal too.
        passed: whether the source's row is about something that the target has otherwise.
        later: the columns that earlier versions did not have; NULL there is not a difference.
    """

    table: str
    key: tuple[str, ...]
    failed: str
    decisive: tuple[str, ...]
    close: str = "true"
    equal: str = "true"
    passed: str = "false"
    later: tuple[str, ...] = ()


def _numbers_within(tolerance: float, which: str) -> str:
    """Whether no stored number of two measured rows differs by more, relatively."""
    return f"""NOT EXISTS (
      SELECT 1 FROM other.measurements AS a LEFT JOIN main.measurements AS b
        ON b.cell_id = h.cell_id AND b.image_id = h.image_id AND b.name = a.name
      WHERE a.cell_id = o.cell_id AND a.image_id = o.image_id AND {which}
        AND (b.value IS NULL
             OR abs(a.value - b.value) > {tolerance} * max(abs(a.value), abs(b.value))))"""


_SCORES = "a.name IN (SELECT metric FROM other.scores WHERE cell_id = o.cell_id)"
_DISPUTED = """EXISTS (
  SELECT 1 FROM other.pairs JOIN compared_outcomes AS c ON c.cell_id = pairs.source_cell_id
  WHERE pairs.id = o.pair_id AND c.image_id = o.image_id AND c.verdict = 'conflicts')"""

RESULTS = (
    Results("clean", ("cell_id", "image_id"), "{0}.error IS NOT NULL",
            ("predicted", "least", "second"), later=("likeliest",)),
    Results("outcomes", ("cell_id", "image_id"), f"{{0}}.status IN {RETRYABLE}",
            ("status", "target", "predicted"),
            close=" AND ".join(
                f"(h.{n} IS o.{n} OR abs(h.{n} - o.{n}) <= {NOISE} * max(h.{n}, o.{n}))"
                for n in NORMS
            )),
    Results("measured", ("cell_id", "image_id"), f"{{0}}.status IN {RETRYABLE}",
            ("status", "target"),
            close=_numbers_within(SCORE_NOISE, _SCORES), equal=_numbers_within(0, "true")),
    Results("transfers", ("pair_id", "image_id"), "{0}.predicted IS NULL", ("predicted",),
            passed=_DISPUTED),
    Results("adapted_clean", ("target_cell_id", "adaptation_id", "image_id"),
            "{0}.predicted IS NULL", ("predicted",)),
)  # fmt: skip
"""The tables of results; transfers come after the outcomes that they are of."""


def compare(connection: Connection, results: Results) -> dict[Verdict, int]:
    """Judge every row of the source, into ``compared_<table>``; returns how many are which.

    That table has the source's key, the target's (``here_<column>``) and the verdict. ``left``: the
    target's row stays without a dispute, for the source's is no result or about something else.
    """
    table, values = results.table, translated(connection, results.table)
    refers = references(connection, table)
    here = {name: values[name] for name in results.key}
    plain = [n for n in values if n not in (*refers, "artifact_row", *results.later)]
    same = [
        *(f"h.{name} IS o.{name}" for name in plain),
        *(
            f"coalesce(h.{name}, o.{name}) IS coalesce(o.{name}, h.{name})"
            for name in results.later
        ),
    ]
    equal = " AND ".join([*same, results.equal])
    decided = " AND ".join(f"h.{name} IS o.{name}" for name in results.decisive)
    failed_here, failed_there = results.failed.format("h"), results.failed.format("o")
    joined = " AND ".join(f"h.{name} = {value}" for name, value in here.items())
    connection.execute(
        f"CREATE TEMP TABLE compared_{table} ("
        + "".join(f"{name} INTEGER, " for name in results.key)
        + "".join(f"here_{name} INTEGER, " for name in results.key)
        + f"verdict TEXT, PRIMARY KEY ({', '.join(results.key)})) WITHOUT ROWID"
    )
    connection.execute(
        f"INSERT INTO compared_{table} SELECT {', '.join(f'o.{name}' for name in results.key)},"
        f" {', '.join(here.values())}, CASE WHEN {results.passed} THEN 'left'"
        f" WHEN h.{results.key[0]} IS NULL THEN 'added'"
        f" WHEN {equal} THEN 'equal'"
        f" WHEN {failed_here} AND NOT ({failed_there}) THEN 'replaced'"
        f" WHEN {failed_here} OR {failed_there} THEN 'left'"
        f" WHEN {decided} AND {results.close} THEN 'noise' ELSE 'conflicts' END"
        f" FROM other.{table} AS o LEFT JOIN main.{table} AS h ON {joined}"
    )
    return dict(
        connection.execute(f"SELECT verdict, count(*) FROM compared_{table} GROUP BY 1").fetchall()
    )


def take(connection: Connection, results: Results) -> None:
    """Insert the rows that are missing, and those in the place of failed ones."""
    table = results.table
    _copy(connection, table, results)
    if table in ("outcomes", "measured"):
        for more in ("measurements", "arrays"):
            connection.execute(
                f"DELETE FROM main.{more} WHERE (cell_id, image_id) IN (SELECT here_cell_id,"
                f" here_image_id FROM compared_{table} WHERE verdict = 'replaced')"
            )
            _copy(connection, more, results)


def _copy(connection: Connection, table: str, results: Results) -> None:
    values = translated(connection, table)
    same = " AND ".join(f"c.{name} = o.{name}" for name in results.key)
    connection.execute(
        f"INSERT OR REPLACE INTO main.{table} ({', '.join(values)})"
        f" SELECT {', '.join(values.values())} FROM compared_{results.table} AS c"
        f" JOIN other.{table} AS o ON {same} WHERE c.verdict IN ('added', 'replaced')"
    )
