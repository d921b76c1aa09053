"""``harness.results``: what a database holds, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analysis import budgets, columns, leaderboard
from harness.analysis import compare as comparing
from harness.analysis.evidence import gather
from harness.analysis.findings import check
from harness.analysis.multiple import Control
from harness.analysis.place import AccuracyOf
from harness.analysis.published import joined, read_published
from harness.analysis.ranked import ranking
from harness.analysis.reference import references
from harness.analysis.results import Results, SuiteResults
from harness.analysis.seeds import seed_groups
from harness.analysis.transfer.matrix import View, transfer_matrix
from harness.api.measured import MeasuredImage
from harness.api.results import PointsOf
from harness.api.transfers import Denominator
from harness.library.tables import Table
from harness.plugins import installed
from harness.report import compare as compared
from harness.report import findings, joint, ranked, seeds, transfer
from harness.report import leaderboard as single
from harness.report.presentation import Field, Presentation, present
from harness.report.published import with_published
from harness.store.database import snapshot
from harness.store.read import measured
from harness.store.read.rows import samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    def suite(
        self,
        name: str | None = None,
        *,
        points: PointsOf = "returned",
        published: Sequence[str | Path] = (),
    ) -> StoredSuite:
        """The results of a suite, by default of the latest run's.

        Args:
            points: whose distances and verdicts they are, as ``--points``.
            published: files of published leaderboards, shown beside its own, as ``--with``.

        Raises:
            ConfigError: there are no runs, or none of this suite.
        """
        with snapshot(self._db) as stored:
            found = Results(stored.conn).suite(name).name
            return StoredSuite(self._db, found, points, tuple(map(Path, published)))

    def measured(self, *arrays: str) -> Sequence[MeasuredImage]:
        """The valid measurements of images, of all suites, that stored all of ``arrays``."""
        with snapshot(self._db) as stored:
            return measured.measured(stored.conn, arrays)

    def arrays(self, image: MeasuredImage) -> Mapping[str, NDArray[np.float32]]:
        """The arrays that were stored of it, (n,) each."""
        with snapshot(self._db) as stored:
            return measured.arrays(stored.conn, image)

    def origin(self, image: MeasuredImage) -> Mapping[str, Any]:
        """Where it comes from: weights, parameters, numerics, passes, run, machine."""
        with snapshot(self._db) as stored:
            return measured.origin(stored.conn, image)

    def __repr__(self) -> str:
        return f"harness.results({str(self._db)!r}): {', '.join(self.suites) or 'no runs'}"


class StoredSuite:
    """The results of a suite's runs, as tables.

    Every method raises ConfigError where there is no such attack, goal or model.
    """

    def __init__(
        self,
        db: Path,
        name: str,
        points: PointsOf = "returned",
        published: Sequence[Path] = (),
    ) -> None:
        self._db, self.name, self._points, self._published = db, name, points, published

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
        sort: columns.SortBy | None = None,
        accuracy: AccuracyOf = "measured",
        images: columns.ImagesOf = "all",
        frontier: str = "fitted",
        intervals: bool = False,
        at: str | float | None = None,
    ) -> Table:
        """One row per model, as ``harness leaderboard`` with the options of these names."""
        choice = columns.Choice(
            attack=attack,
            goal=goal,
            accuracy=accuracy,
            images=images,
            sort=sort,
            references=references(frontier, installed()),
            replicates=REPLICATES if intervals else None,
            at=_budgets(at),
        )
        with self._read() as suite:
            board = leaderboard.leaderboard(suite, choice, installed())
            return self._beside(single.presentation(board), suite)

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
            board = leaderboard.joint(suite, choice, installed())
            return self._beside(joint.presentation(board), suite)

    def regimes(
        self,
        attack: str | None = None,
        goal: str | None = None,
        *,
        sort: columns.SortBy | None = None,
        accuracy: AccuracyOf = "measured",
        images: columns.ImagesOf = "all",
        at: str | float | None = None,
    ) -> Table:
        """The leaderboard, with each model's residual from the frontier of its training regime.

        As ``harness leaderboard --regimes`` with the options of these names.
        """
        choice = columns.Choice(
            attack=attack,
            goal=goal,
            accuracy=accuracy,
            images=images,
            sort=sort,
            at=_budgets(at),
            regimes=True,
        )
        with self._read() as suite:
            board = leaderboard.leaderboard(suite, choice, installed())
            return self._beside(single.presentation(board), suite)

    def ranks(
        self,
        attack: str | None = None,
        goal: str | None = None,
        *,
        control: Control = "holm",
        images: columns.ImagesOf = "all",
        at: str | float | None = None,
    ) -> Table:
        """One row per model: ``harness leaderboard --ranks`` with the options of these names."""
        choice = columns.Choice(attack=attack, goal=goal, images=images, at=_budgets(at))
        with self._read() as suite:
            return Table(ranked.presentation(ranking(suite, choice, control)))

    def seeds(
        self, attack: str | None = None, goal: str | None = None, *, at: str | float | None = None
    ) -> Table:
        """One row per model with several training seeds: ``harness leaderboard --seeds``."""
        choice = columns.Choice(attack=attack, goal=goal, at=_budgets(at))
        with self._read() as suite:
            return Table(seeds.presentation(seed_groups(suite, choice)))

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
        self,
        first: str,
        second: str,
        attack: str | None = None,
        goal: str | None = None,
        *,
        at: str | float | None = None,
    ) -> Table:
        """Paired differences of two models with intervals, as ``harness compare``."""
        read = _budgets(at)
        with self._read() as suite:
            found = comparing.compare(suite, first, second, attack=attack, goal=goal, at=read)
            return Table(compared.presentation(found))

    def measured(self, *arrays: str) -> Sequence[MeasuredImage]:
        """The suite's valid measurements of images that stored all of ``arrays``, by image."""
        with self._read() as suite:
            own = {cell.key for cell in suite.cells}
            every = measured.measured(suite.results.db, arrays)
        return sorted((e for e in every if e.cell in own), key=lambda each: each.image.name)

    def findings(self) -> Table:
        """One row per claim of the installed plugins, as ``harness findings``."""
        with self._read() as suite:
            evidence = gather(suite)
        rows = check(evidence, installed())
        return Table(findings.presentation(self.name, rows, evidence.notes))

    def __repr__(self) -> str:
        return f"suite {self.name}: {len(self.models)} models, attacks {', '.join(self.attacks)}"

    def _beside(self, found: Presentation, suite: SuiteResults) -> Table:
        """With the published leaderboards, where there are any."""
        if self._published:
            rows = joined(read_published(self._published), suite.architectures)
            found = with_published(found, rows)
        return Table(found)

    @contextmanager
    def _read(self) -> Iterator[SuiteResults]:
        with snapshot(self._db) as stored:
            yield Results(stored.conn, self._points).suite(self.name)


REPLICATES = 1000
"""Of the bootstrap, as the command line's default."""


def _budgets(at: str | float | None) -> budgets.Budgets | None:
    return None if at is None else budgets.parsed(at)
