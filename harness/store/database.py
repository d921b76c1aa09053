"""Opening the database, for writing or reading, and the one place where SQLite's errors are told.

A file is of a newer version if it holds a migration that this version does not know.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from harness.errors import StoreError
from harness.store.schema import migrations
from harness.store.standing import bring_up_to_date

BUSY_SECONDS = 5.0
"""How long to wait for another program's lock on the database."""

_RESUME = "what is finished is kept, the same command goes on from there"
_CAUSES = {
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", "name another file with --db"),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "restore a copy, or start anew with another --db"),
    sqlite3.SQLITE_FULL: ("the disk or the database is full", f"make room; {_RESUME}"),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "make the file and its folder writable, or name another file with --db",
    ),
    sqlite3.SQLITE_BUSY: (
        "is locked by another program",
        f"close the program that has it open; {_RESUME}",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "check that its folder exists and may be read and written",
    ),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", f"check the disk; {_RESUME}"),
}
_CAUSES[sqlite3.SQLITE_LOCKED] = _CAUSES[sqlite3.SQLITE_BUSY]
_CAUSES[sqlite3.SQLITE_PERM] = _CAUSES[sqlite3.SQLITE_READONLY]


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn every SQLite error of the block into a `StoreError` of one line."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        # The low byte is the primary code.
        what, hint = _CAUSES.get(
            code & 0xFF if code is not None else -1,
            ("SQLite refuses", "run it again with --debug and report it"),
        )
        raise StoreError(f"{what} ({error})", where=str(path), hint=hint) from error


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn every operating system's error on a file beside the database into a `StoreError`."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot be read or written ({error.strerror or error})",
            where=str(path),
            hint="check the disk and the folder's permissions, or name another file with --db",
        ) from error


def path_of(db: Database) -> Path:
    """The file behind an open database, absolute."""
    return Path(db.conn.execute("PRAGMA database_list").fetchone()[2])


@contextmanager
def transaction(db: Database) -> Iterator[sqlite3.Connection]:
    """All of the block or nothing; SQLite's errors come out as `StoreError`."""
    connection = db.conn
    with store_errors(path_of(db)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


def open_writable(path: Path) -> Database:
    """Open or create the database at ``path`` and bring it to this version's schema.

    The caller holds the lock of `harness.store.lock`.

    Raises:
        StoreError: it is not the harness's, newer, damaged, read-only, full, or locked.
    """
    if not path.parent.is_dir():
        raise StoreError("the folder does not exist", where=str(path), hint="create it first")
    with store_errors(path):
        db = _connect(path, "mode=rwc")
        try:
            _refuse_foreign(db, path)
            # A commit is on the disk when it returns: finished work survives a power cut. At a
            # commit a second that costs nothing.
            db.conn.execute("PRAGMA journal_mode = WAL")
            db.conn.execute("PRAGMA synchronous = FULL")
            bring_up_to_date(db)  # a table that others refer to is made anew without their checks
            db.conn.execute("PRAGMA foreign_keys = ON")
            with transaction(db):
                pass  # a file that cannot be written shows it here
        except BaseException:
            db.close()
            raise
    return db


def open_readonly(path: Path) -> Database:
    """Open the database at ``path`` for reading, also in a read-only folder or during a run.

    Raises:
        StoreError: there is none, or it is not the harness's, newer, older, damaged, or locked.
    """
    with store_errors(path):
        db = _connect_readonly(path)
        try:
            _refuse_foreign(db, path)
            _refuse_older(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """`open_readonly` for a block, whose SQLite errors come out as `StoreError` too."""
    with store_errors(path):
        db = open_readonly(path)
        try:
            yield db
        finally:
            db.close()


@contextmanager
def snapshot(path: Path) -> Iterator[Database]:
    """`reading`, with everything read as of one moment: a run may be writing meanwhile."""
    with reading(path) as db:
        db.conn.execute("BEGIN")
        yield db


def _connect(path: Path, mode: str) -> Database:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{mode}", uri=True, timeout=BUSY_SECONDS
    )
    return Database(connection, execute_plugins=False)


def _connect_readonly(path: Path) -> Database:
    with file_errors(path):
        if not path.exists():
            raise StoreError(
                "there is no such database",
                where=str(path),
                hint="`harness run` makes one; --db names another",
            )
    try:
        return _probed(_connect(path, "mode=ro"))
    except sqlite3.OperationalError:
        # SQLite needs a -shm file to read a WAL database, which a read-only folder denies. Without
        # a -wal file nobody is writing, and the file can be read as it is.
        wal = Path(f"{path.resolve()}-wal")
        if wal.exists() and wal.stat().st_size:
            raise
    return _probed(_connect(path, "immutable=1"))


def _probed(db: Database) -> Database:
    try:
        db.conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _refuse_foreign(db: Database, path: Path) -> None:
    """Refuse a newer version's file, and other programs' databases."""
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    applied = {migration.name for migration in migrations.applied(db)}
    if applied - known:
        raise StoreError(
            f"was written by a newer version (it has {', '.join(sorted(applied - known))})",
            where=str(path),
            hint="update frontier-harness, or name another file with --db",
        )
    if (
        not applied
        and db.conn.execute(
            "SELECT 1 FROM sqlite_master WHERE name <> ? AND tbl_name <> ?",
            [migrations.migrations_table] * 2,
        ).fetchone()
    ):
        raise StoreError(
            "is an SQLite database of something else", where=str(path), hint="name another --db"
        )


def _refuse_older(db: Database, path: Path) -> None:
    if migrations.pending(db):
        raise StoreError(
            "is empty or of an older version",
            where=str(path),
            hint="`harness run` brings it up to date and keeps what it holds",
        )
