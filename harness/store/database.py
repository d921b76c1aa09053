"""Opening the database, for writing or reading, and the one place where SQLite's errors are told.

A file is of a newer version if it holds a migration that this version does not know. One of an
older version is migrated where it is written; who only reads it sees a migrated copy.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from harness.errors import HarnessError, StoreError
from harness.signals import held_back
from harness.store.schema.migrations import migrations
from harness.store.schema.views import bring_up_to_date
from harness.store.sqlite import Database

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
        what, hint = _cause(error) or ("SQLite refuses", "run it again with --debug and report it")
        raise StoreError(f"{what} ({error})", where=str(path), hint=hint) from error


def _cause(error: sqlite3.Error) -> tuple[str, str] | None:
    """What happened and what to do, where SQLite's code or Python's text says it."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return _CAUSES[sqlite3.SQLITE_CORRUPT] if "decode to UTF-8" in str(error) else None
    return _CAUSES.get(code & 0xFF)  # the low byte is the primary code


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn every operating system's error on a file beside the database into a `StoreError`.

    It names the file that the system names, or ``path``.
    """
    try:
        yield
    except OSError as error:
        name = error.filename2 or error.filename
        raise StoreError(
            f"cannot be read or written ({error.strerror or error})",
            where=os.fsdecode(name) if isinstance(name, str | bytes) else str(path),
            hint="check the disk and the folder's permissions, or name another file with --db",
        ) from error


@contextmanager
def damage_blamed(db: Database) -> Iterator[None]:
    """Turn what a damaged database makes of the block into a `StoreError`.

    Content that is not what was written can break anything; then it is not our own bug.
    """
    try:
        yield
    except (HarnessError, OSError):
        raise
    except Exception as error:
        told = isinstance(error, sqlite3.Error) and _cause(error)
        if not told and (damage := damage_of(db)):
            raise _damaged(damage, path_of(db)) from error
        raise


def damage_of(db: Database) -> str | None:
    """What is wrong with the file, as far as SQLite and the stored JSON can tell; None: nothing."""
    try:
        if damaged := _damaged_page(db):
            return damaged
        lost = db.conn.execute("PRAGMA foreign_key_check").fetchone()
        if lost is not None:
            return f"a row of {lost[0]} refers to one of {lost[2]} that is not there"
        for table, columns in _JSON.items():
            valid = " AND ".join(f"json_valid({column})" for column in columns)
            if db.conn.execute(f"SELECT 1 FROM {table} WHERE NOT ({valid})").fetchone():
                return f"a text of {table} is no JSON"
    except sqlite3.Error as error:
        return str(error)
    return None


_JSON = {
    "components": ("identity", "about"),
    "environments": ("facts",),
    "runs": ("definition", "command"),
    "plans": ("images",),
    "cells": ("policy",),
    "artifacts": ("shape",),
    "adaptations": ("cut",),
}
"""The columns that hold JSON."""


def _damaged(what: str, path: Path) -> StoreError:
    found, hint = _CAUSES[sqlite3.SQLITE_CORRUPT]
    return StoreError(f"{found} ({what})", where=str(path), hint=hint)


class Opened(Database):
    """A connection that knows the file it is about, of which it may be a copy."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, execute_plugins=False)
        self.path = path


def path_of(db: Database) -> Path:
    """The file that an open database is about, absolute."""
    assert isinstance(db, Opened)
    return db.path


@contextmanager
def transaction(db: Database, *, brief: bool = True) -> Iterator[sqlite3.Connection]:
    """All of the block or nothing; SQLite's errors come out as `StoreError`.

    A signal waits for the end of a ``brief`` one, and breaks off any other.
    """
    connection = db.conn
    with held_back() if brief else nullcontext(), store_errors(path_of(db)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


def is_file(path: Path) -> bool:
    """Whether there is a file; what else may be there is refused: opening a FIFO would wait.

    Raises:
        StoreError: it is of another kind, or links lead in a circle.
    """
    with file_errors(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return False
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no file")
        raise StoreError(f"is {kind}", where=str(path), hint="name a file with --db")
    return True


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_writable(path: Path, *, check: bool = False) -> Database:
    """Open or create the database at ``path`` and bring it to this version's schema.

    The caller holds the lock of `harness.store.lock`. Pages are checked where ``check`` asks for
    it, or a run did not end.

    Raises:
        StoreError: it is not the harness's, newer, damaged, read-only, full, or locked.
    """
    if not path.parent.is_dir():
        raise StoreError("the folder does not exist", where=str(path), hint="create it first")
    if not is_file(path):
        with file_errors(path):  # SQLite would not give the group what the umask gives
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    with store_errors(path):
        db = _connect(path, "mode=rw")
        try:
            _refuse_foreign(db, path)
            if (check or _is_running(db)) and (damage := _damaged_page(db)):
                raise _damaged(damage, path)
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

    One of an older version is left as it is: what is read is a migrated copy.

    Raises:
        StoreError: there is none, or it is not the harness's, newer, empty, damaged, or locked.
    """
    with store_errors(path):
        db = _connect_readonly(path)
        try:
            _refuse_foreign(db, path)
            _refuse_empty(db, path)
            return _migrated_copy(db) if migrations.pending(db) else db
        except BaseException:
            db.close()
            raise


def _migrated_copy(db: Opened) -> Opened:
    """What ``db`` holds, in this version's schema: in a temporary file of SQLite's own."""
    copy = Opened(sqlite3.connect(""), db.path)
    try:
        db.conn.backup(copy.conn)
        db.close()
        bring_up_to_date(copy)
        copy.conn.execute("PRAGMA query_only = ON")
    except BaseException:
        copy.close()
        raise
    return copy


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """`open_readonly` for a block, whose SQLite errors come out as `StoreError` too."""
    with store_errors(path):
        db = open_readonly(path)
        try:
            with damage_blamed(db):
                yield db
        finally:
            db.close()


@contextmanager
def snapshot(path: Path) -> Iterator[Database]:
    """`reading`, with everything read as of one moment: a run may be writing meanwhile."""
    with reading(path) as db:
        db.conn.execute("BEGIN")
        yield db


@contextmanager
def current(path: Path) -> Iterator[Path]:
    """A file with what the database at ``path`` holds, of this version: itself, or a copy.

    Raises:
        StoreError: as `open_readonly`.
    """
    with reading(path) as db, TemporaryDirectory() as folder:
        if not db.conn.execute("PRAGMA database_list").fetchone()[2]:
            path = Path(folder) / "copy.db"
            with closing(sqlite3.connect(path)) as copy:
                db.conn.backup(copy)
        yield path


def _connect(path: Path, mode: str) -> Opened:
    place = quote(os.fsencode(path.absolute()))
    connection = sqlite3.connect(f"file:{place}?{mode}", uri=True, timeout=BUSY_SECONDS)
    return Opened(connection, path.absolute())


def _connect_readonly(path: Path) -> Opened:
    if not is_file(path):
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


def _probed(db: Opened) -> Opened:
    try:
        db.conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _is_running(db: Database) -> bool:
    """Whether a run is marked so: the process that wrote the database last did not end it."""
    return db.table("runs").exists() and bool(
        db.conn.execute("SELECT 1 FROM runs WHERE status = 'running'").fetchone()
    )


def _damaged_page(db: Database) -> str | None:
    (said,) = db.conn.execute("PRAGMA quick_check(1)").fetchone()
    return None if said == "ok" else str(said).splitlines()[-1]


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


def _refuse_empty(db: Database, path: Path) -> None:
    if not migrations.applied(db):
        raise StoreError("is empty", where=str(path), hint="`harness run` fills it")
