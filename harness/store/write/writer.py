"""The one writer: every row that the harness stores goes through it, a transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import CleanPrediction, ImageKey, Measured, Outcome
from harness.errors import ExitCode, StoreError
from harness.store import workers
from harness.store.artifacts import Artifacts, KeptRow, folder_of
from harness.store.columns import JUDGED, finite
from harness.store.database import (
    damage_blamed,
    is_file,
    open_writable,
    path_of,
    store_errors,
    transaction,
)
from harness.store.lock import Lock
from harness.store.schema import latest
from harness.store.workers import WorkerRow
from harness.store.write import incoming, upserts
from harness.store.write.planned import insert_run
from harness.store.write.transfers import Transfers
from harness.store.write.upserts import Place

if TYPE_CHECKING:
    from sqlite_utils import Database

    from harness.api.trial import ModelTrial
    from harness.planning import Plan
    from harness.plugins import PluginReport


class Writer:
    """Lock, connection and artifacts of a database that is written; a context manager.

    Attributes:
        db: the connection, for the queries of `harness.store.read.pending`.
        artifacts: where saved candidates go, before the outcomes that name them.
        transfers: other models' predictions of them.
        took_over: the owner that died while it wrote the database, if there was one.
    """

    def __init__(self, db: Database, lock: Lock, artifacts: Artifacts) -> None:
        self.db, self.artifacts, self.transfers = db, artifacts, Transfers(db)
        self.took_over = str(lock.stale) if lock.stale else None
        self._lock, self._path = lock, path_of(db)
        self._cells: dict[str, int] = {}
        self._images: dict[int, dict[str, int]] = {}
        self._attempts: dict[int, tuple[int, int]] = {}
        self._again: set[tuple[int, int]] = set()

    @classmethod
    def open(cls, path: Path, *, command: Sequence[str]) -> Writer:
        """Lock the database at ``path``, create or migrate it, and tidy up after a dead owner.

        Raises:
            StoreError: another process writes it, or it is unusable.
        """
        if not path.parent.is_dir():
            raise StoreError("the folder does not exist", where=str(path), hint="create it first")
        is_file(path)  # anything else is refused
        lock = Lock.acquire(path, command)
        try:
            db = open_writable(path, check=lock.stale is not None)
            try:
                artifacts = Artifacts(folder_of(path), db)
                with store_errors(path):
                    artifacts.recover()
                    incoming.settle(db)
            except BaseException:
                db.close()
                raise
        except BaseException:
            lock.release()
            raise
        return cls(db, lock, artifacts)

    def abandon(self) -> None:
        """Mark what is running as interrupted, from any thread of a process about to end."""
        # Not the writer's connection, which its own thread may be using.
        connection = sqlite3.connect(self._path, timeout=0.5)
        with connection:
            _interrupt(connection, finished=_now())
        self._lock.disown()

    def close(self) -> None:
        """Close the database and let the next writer in."""
        try:
            with store_errors(self._path):
                self.db.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if isinstance(error, KeyboardInterrupt):
                with suppress(StoreError), transaction(self.db) as connection:
                    _interrupt(connection, finished=_now())
            if isinstance(error, Exception):
                with store_errors(self._path), damage_blamed(self.db):
                    raise error
        finally:
            self.close()

    def begin_run(
        self,
        plan: Plan,
        *,
        environment: Mapping[str, Any],
        command: Sequence[str],
        images: Sequence[ImageKey],
    ) -> int:
        """Store the plan and start a run of it; returns the run's id.

        ``images`` are in plan order: each cell takes its number of them from the front. Runs and
        attempts that a dead process left running are marked interrupted.
        """
        with transaction(self.db) as connection:
            _interrupt(connection, finished=None)
            run = insert_run(
                connection,
                plan,
                environment=environment,
                command=command,
                images=images,
                now=_now(),
            )
            latest.mark(connection, run)
            return run

    def finish_run(self, run: int, *, status: str, exit_code: int) -> None:
        """Close a run: ``done``, ``failed`` or ``interrupted``."""
        with transaction(self.db) as connection:
            connection.execute(
                "UPDATE runs SET finished = ?, status = ?, exit_code = ? WHERE id = ?",
                [_now(), status, int(exit_code), run],
            )
            # Of processes that ended before they could say so.
            connection.execute(
                "UPDATE attempts SET finished = ?, status = 'interrupted'"
                " WHERE run_id = ? AND status = 'running'",
                [_now(), run],
            )

    def record_plugin_errors(self, run: int, reports: Iterable[PluginReport]) -> None:
        """Store which plugins were broken when the run began; healthy reports are passed over."""
        with transaction(self.db) as connection:
            connection.executemany(
                "INSERT INTO plugin_errors (run_id, plugin, distribution, version, stage, cause)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (run, item.name, item.distribution, item.version, item.stage, item.cause)
                    for item in reports
                    if not item.ok
                ],
            )

    def write_workers(self, run: int, rows: Iterable[WorkerRow]) -> None:
        """Store how the workers of a run are, in the place of what was stored before."""
        with transaction(self.db) as connection:
            workers.write(connection, run, rows)

    def begin_attempt(
        self, cell_key: str, run: int, *, device: str, batch_size: int, code: str | None = None
    ) -> int:
        """Start a stretch of work on a cell; returns the attempt's id.

        Args:
            code: JSON of the code that the cell's plugins are; None: bundled ones.
        """
        cell = self._cell(cell_key)
        with transaction(self.db) as connection:
            attempt = connection.execute(
                "INSERT INTO attempts (cell_id, run_id, started, status, device, batch_size, code)"
                " VALUES (?, ?, ?, 'running', ?, ?, ?)",
                [cell, run, _now(), device, batch_size, code],
            ).lastrowid
        assert attempt is not None
        self._attempts[attempt] = (cell, run)
        return attempt

    def finish_attempt(
        self, attempt: int, *, status: str, seconds: float, halvings: int, error: str | None
    ) -> None:
        """Close an attempt: ``done``, ``failed`` or ``interrupted``."""
        with transaction(self.db) as connection:
            connection.execute(
                "UPDATE attempts SET finished = ?, status = ?, seconds = ?, halvings = ?, error = ?"
                " WHERE id = ?",
                [_now(), status, seconds, halvings, error, attempt],
            )

    def record_trial(self, cell_key: str, trial: ModelTrial) -> None:
        """Store what the trial of a clean cell's model found; an earlier one's is replaced."""
        with transaction(self.db) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO trials"
                " (cell_id, images, difference, outputs, nearby, gradient_error, dynamic)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self._cell(cell_key), *astuple(trial)],
            )

    def write_clean(self, attempt: int, rows: Iterable[CleanPrediction]) -> None:
        """Commit clean predictions of images of the attempt's run.

        Only failed rows are replaced.
        """
        place = self._place(attempt)
        with transaction(self.db) as connection:
            upserts.write_clean(connection, place, list(rows))

    def write_outcomes(
        self, attempt: int, rows: Iterable[Outcome], kept: Mapping[str, KeptRow] | None = None
    ) -> None:
        """Commit outcomes of images of the attempt's run; ``kept``: where their candidates lie.

        Only rows of status ``error`` and ``invalid`` are replaced, and those of `make_again`: by
        outcomes with a candidate, the others are passed over.
        """
        place, kept = self._place(attempt), kept or {}
        rows = [row for row in rows if self._counts(place, row, kept)]
        if rows:
            with transaction(self.db) as connection:
                upserts.write_outcomes(connection, place, rows, kept)

    def write_measured(self, attempt: int, rows: Iterable[Measured]) -> None:
        """Commit measurements of images of the attempt's run, as `write_outcomes` does."""
        place = self._place(attempt)
        with transaction(self.db) as connection:
            upserts.write_measured(connection, place, list(rows))

    def write_scores(
        self, run: int, cell_key: str, scores: Mapping[str, tuple[float | None, int, str]]
    ) -> None:
        """Store a cell's metrics over the images of a run: (value, number of images, unit)."""
        cell = self._cell(cell_key)
        with transaction(self.db) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO scores (run_id, cell_id, metric, value, images, unit)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (run, cell, name, finite(value), images, unit)
                    for name, (value, images, unit) in scores.items()
                ],
            )

    def forget(self, cells: Iterable[str]) -> None:
        """Delete the results of these cell keys, and their saved images, for all runs.

        Their transfers go too: those of their saved images, and those to their models.
        """
        with transaction(self.db) as connection:
            ids: list[int] = []
            for key in cells:
                found = connection.execute("SELECT id FROM cells WHERE key = ?", [key])
                ids.extend(cell for (cell,) in found)
            connection.executemany(
                "DELETE FROM transfers WHERE pair_id IN"
                " (SELECT id FROM pairs WHERE ?1 IN (source_cell_id, target_cell_id))",
                [(cell,) for cell in ids],
            )
            for table, column in _RESULTS:
                connection.executemany(
                    f"DELETE FROM {table} WHERE {column} = ?", [(cell,) for cell in ids]
                )
            files = self.artifacts.remove(ids)
        _unlink(files)

    def make_again(self, cell_key: str, images: Collection[str], run: int) -> None:
        """Announce that images of a run are attacked again, because their candidates are missing.

        Each finished outcome stays until `write_outcomes` puts one with a candidate in its place.
        """
        cell, ids = self._cell(cell_key), self._image_ids(run)
        with transaction(self.db) as connection:
            for image in map(ids.__getitem__, images):
                finished = connection.execute(
                    "UPDATE outcomes SET artifact_id = NULL, artifact_row = NULL"
                    f" WHERE cell_id = ? AND image_id = ? AND status IN {JUDGED}",
                    [cell, image],
                ).rowcount
                if finished:
                    self._again.add((cell, image))
            files = self.artifacts.remove([cell])
        _unlink(files)

    def drop_sets(self, cells: Iterable[str]) -> None:
        """Delete the saved images of these cell keys; their outcomes stay."""
        ids = [self._cell(key) for key in cells]
        with transaction(self.db) as connection:
            connection.executemany(
                "UPDATE outcomes SET artifact_id = NULL, artifact_row = NULL WHERE cell_id = ?",
                [(cell,) for cell in ids],
            )
            files = self.artifacts.remove(ids)
        _unlink(files)

    def _counts(self, place: Place, row: Outcome, kept: Mapping[str, KeptRow]) -> bool:
        """Whether the outcome may take its place: one without a candidate replaces none."""
        made = row.image_id in kept and row.status.judged
        return made or (place.cell, place.ids[row.image_id]) not in self._again

    def _cell(self, key: str) -> int:
        if key not in self._cells:
            with store_errors(self._path):
                self._cells.update(self.db.conn.execute("SELECT key, id FROM cells"))
        return self._cells[key]

    def _place(self, attempt: int) -> Place:
        cell, run = self._attempts[attempt]
        return Place(attempt, cell, self._image_ids(run))

    def _image_ids(self, run: int) -> Mapping[str, int]:
        """The ids of a run's images by name."""
        if run not in self._images:
            with store_errors(self._path):
                self._images[run] = dict(
                    self.db.conn.execute(
                        "SELECT name, images.id FROM run_images"
                        " JOIN images ON images.id = run_images.image_id WHERE run_id = ?",
                        [run],
                    )
                )
        return self._images[run]


_RESULTS = (
    *((name, "cell_id") for name in ("measurements", "arrays", "measured")),
    *((name, "cell_id") for name in ("outcomes", "clean", "scores", "trials")),
    ("pairs", "source_cell_id"),
    ("pairs", "target_cell_id"),
    ("adapted_clean", "target_cell_id"),
)
"""Tables of results, and their column of cells."""


def _unlink(files: Iterable[Path]) -> None:
    for file in files:
        with suppress(OSError):  # nothing names it any more
            file.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _interrupt(connection: sqlite3.Connection, *, finished: str | None) -> None:
    """Mark what is running as interrupted: there is one writer, so nobody else runs anything."""
    connection.execute(
        "UPDATE attempts SET status = 'interrupted', finished = ? WHERE status = 'running'",
        [finished],
    )
    connection.execute(
        "UPDATE runs SET status = 'interrupted', finished = ?, exit_code = ?"
        " WHERE status = 'running'",
        [finished, int(ExitCode.INTERRUPTED) if finished else None],
    )
