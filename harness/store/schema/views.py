"""The views for people, of ``views.sql``: made anew where a database's own read otherwise."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from harness.store.schema.migrations import migrations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlite_utils import Database


@cache
def views() -> Mapping[str, str]:
    """The statement that makes each view, by its name."""
    text = files("harness.store.schema").joinpath("views.sql").read_text("utf-8")
    return {
        name: made for made, name in re.findall(r"^(CREATE VIEW (\w+) .*?);$", text, re.M | re.S)
    }


def bring_up_to_date(db: Database) -> None:
    """Apply the migrations that ``db`` lacks, and give it this version's views.

    Views of other names, which a user may have made, stay.
    """
    if migrations.pending(db):
        _replace(db, ())
        migrations.apply(db)
    stored = dict(db.conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    if any(stored.get(name) != made for name, made in views().items()):
        _replace(db, views().values())


def _replace(db: Database, statements: Iterable[str]) -> None:
    """Drop the harness's views and run ``statements``, or nothing of it."""
    with db.atomic():
        for name in views():
            db.execute(f"DROP VIEW IF EXISTS {name}")
        for made in statements:
            db.execute(made)
