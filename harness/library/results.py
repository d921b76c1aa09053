"""``harness.results``: what a database holds, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.analysis import columns, leaderboard
from harness.analysis import compare as comparing
from harness.analysis.place import AccuracyOf
from harness.analysis.reference import references
from harness.analysis.results import Results, SuiteResults
from harness.analysis.transfer.cells import Denominator
from harness.analysis.transfer.matrix import View, transfer_matrix
from harness.library.tables import Table
from harness.plugins import installed
from harness.report import compare as compared
from harness.report import joint, transfer
from harness.report import leaderboard as single
from harness.report.presentation import Field, present
from harness.store.database import snapshot
from harness.store.read.rows import samples


def results(db: str | Path = "harness.db") -> StoredResults:
    """The results stored in ``db``, read-only and as they are when asked: a run may be writing.

    Raises:
        StoreError: there is no such database, or it cannot be read.
    """
    found = StoredResults(Path(db))
    found.suites  # noqa: B018  an unreadable file is an error now, not later
    return found


class StoredResults:
    """The results of a database; see `results`."""

    def __init__(self, db: Path) -> None:
        self._db = db

    @property
    def suites(self) -> tuple[str, ...]:
        """The names of the suites with runs, that of the latest run first."""
        with snapshot(self._db) as stored:
            return tuple(Results(stored.conn).suites)

    def suite(self, name: str | None = None) -> StoredSuite:
        """The results of a suite, by default of the latest run's.

        Raises:
            ConfigError: there are no runs, or none of this suite.
        """
        with snapshot(self._db) as stored:
            return StoredSuite(self._db, Results(stored.conn).suite(name).name)

    def __repr__(self) -> str:
        return f"harness.results({str(self._db)!r}): {', '.join(self.suites) or 'no runs'}"


class StoredSuite:
    """The results of a suite's runs, as tables.

    Every method raises ConfigError where there is no such attack, goal or model.
    """

    def __init__(self, db: Path, name: str) -> None:
        self._db, self.name = db, name

    @property
    def models(self) -> tuple[str, ...]:
        """The names of its models."""
        with self._read() as suite:
            return suite.models

    @property
    def attacks(self) -> tuple[str, ...]:
        """The labels of its attacks."""
        with self._read() as suite:
            return tuple(suite.attacks)

    def leaderboard(
        self,
        attack: str | None = None,
        goal: str | None = None,
        *,
        sort: columns.SortBy = "frontier",
        accuracy: AccuracyOf = "measured",
        images: columns.ImagesOf = "all",
        frontier: str = "fitted",
        intervals: bool = False,
    ) -> Table:
        """One row per model, as ``harness leaderboard`` with the options of these names."""
        choice = columns.Choice(
            attack=attack,
            goal=goal,
            accuracy=accuracy,
            images=images,
            sort=sort,
            references=references(frontier),
            replicates=REPLICATES if intervals else None,
        )
        with self._read() as suite:
            return Table(single.presentation(leaderboard.leaderboard(suite, choice, installed())))

    def joint(
        self,
        goal: str | None = None,
        *,
        accuracy: AccuracyOf = "measured",
        images: columns.ImagesOf = "all",
        intervals: bool = False,
    ) -> Table:
        """One row per model under all metrics of robustness: ``harness leaderboard --joint``."""
        choice = columns.Choice(
            goal=goal,
            accuracy=accuracy,
            images=images,
            replicates=REPLICATES if intervals else None,
        )
        with self._read() as suite:
            return Table(joint.presentation(leaderboard.joint(suite, choice)))

    def outcomes(
        self, attack: str | None = None, goal: str | None = None, model: str | None = None
    ) -> Table:
        """One row per image, attack, goal and model: the view ``samples`` of the database."""
        with self._read() as suite:
            if model is not None:
                suite.known_model(model)
            cells = [
                cell.id
                for trial in suite.trials(attack, goal)
                for name, cell in trial.cells.items()
                if model in (None, name)
            ]
            names, rows = samples(suite.results.db, cells)
        fields: list[Field[dict[str, object]]] = [Field(name, name) for name in names]
        return Table(present(fields, (dict(zip(names, row, strict=True)) for row in rows)))

    def transfer(
        self,
        attack: str | None = None,
        goal: str | None = None,
        *,
        epsilon: float | None = None,
        k: int | None = None,
        denominator: Denominator = "paper",
    ) -> Table:
        """One row per pair of models, as ``harness transfer``."""
        with self._read() as suite:
            view = View(k=k, denominator=denominator)
            matrix = transfer_matrix(suite, view, attack=attack, goal=goal, epsilon=epsilon)
            return Table(transfer.presentation(matrix, intervals=True))

    def compare(
        self, first: str, second: str, attack: str | None = None, goal: str | None = None
    ) -> Table:
        """Paired differences of two models with intervals, as ``harness compare``."""
        with self._read() as suite:
            found = comparing.compare(suite, first, second, attack=attack, goal=goal)
            return Table(compared.presentation(found))

    def __repr__(self) -> str:
        return f"suite {self.name}: {len(self.models)} models, attacks {', '.join(self.attacks)}"

    @contextmanager
    def _read(self) -> Iterator[SuiteResults]:
        with snapshot(self._db) as stored:
            yield Results(stored.conn).suite(self.name)


REPLICATES = 1000
"""Of the bootstrap, as the command line's default."""
