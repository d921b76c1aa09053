"""The database's schema: STRICT tables with integer keys inside. Views are `views`'s.

A migration is a file ``NNN_name.sql`` in this folder. Migrations are appended, never edited once
released. Each runs in a transaction of its own, without views: those of an older version would
block a table from being recreated.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from harness.store.sqlite import Migrations

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from sqlite_utils import Database


migrations = Migrations("harness")


def _register(file: Traversable) -> None:
    @migrations(name=f"m{file.name.removesuffix('.sql')}")
    def run(db: Database) -> None:
        """Statement by statement: ``executescript`` would end the transaction."""
        for statement in file.read_text("utf-8").split(";\n"):
            db.execute(statement)


for _file in sorted(files("harness.store.schema").iterdir(), key=lambda file: file.name):
    if _file.name[0].isdigit():
        _register(_file)
