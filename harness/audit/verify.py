"""Stored results checked again: files by hash, verdicts by the models, numbers by their arrays.

Nothing is written. What cannot be checked, because weights, data or a plugin are missing or have
changed, is skipped and reported.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from harness.audit.recheck import Recheck
from harness.audit.refit import Refit, rebuilt, refit
from harness.audit.rejudge import Rejudge
from harness.errors import HarnessError
from harness.identity import tagged_hash
from harness.plugins import Catalog, unknown
from harness.registry import Registry
from harness.sealed import problem
from harness.store.artifacts import folder_of
from harness.store.database import path_of
from harness.store.lock import is_held
from harness.store.lost import orphans
from harness.store.read.audit import (
    CheckedCell,
    KeptOutcome,
    artifact_files,
    kept_cells,
    kept_outcomes,
    measured_cells,
    stored_measurements,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

_R = TypeVar("_R")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is checked.

    Attributes:
        models: globs of stored models; none: all.
        sample: images per cell, the same ones every time; None: all.
        refit: whether measurements are recomputed from their arrays.
        data: paths of datasets, by name.
    """

    models: Sequence[str] = ()
    sample: int | None = None
    refit: bool = False
    data: Mapping[str, Path]
    device: torch.device


@dataclass(slots=True)
class Check:
    """The result of one kind of check.

    Attributes:
        what: ``files``, ``verdicts``, ``norms`` or ``numbers``.
        of: the model or the measurement; empty for files.
        agree, wrong: how many of those that were checked.
        ties: verdicts that differ by no more than rounding errors.
        skipped: how many could not be checked.
    """

    what: str
    of: str
    agree: int = 0
    ties: int = 0
    wrong: int = 0
    skipped: int = 0


def verify(
    db: Database, registry: Registry, catalog: Catalog, scope: Scope, say: Say
) -> list[Check]:
    """Check the database that is open for reading; ``say`` is called with each problem.

    Raises:
        ConfigError: a glob matches no stored model.
    """
    kept, measured = kept_cells(db), measured_cells(db)
    _must_match(scope.models, [cell.model.name for cell in (*kept, *measured)])
    files, damaged = _files(db, say)
    checks = [files]
    rejudge = Rejudge(db, registry, catalog, scope.data, scope.device, damaged)
    chosen = _chosen(kept, scope)
    for _, cells in itertools.groupby(chosen, key=lambda cell: (cell.model.digest, cell.verdicts)):
        checks += _verdicts(rejudge, list(cells), scope, say)
    if scope.refit:
        by_task = sorted(_chosen(measured, scope), key=lambda cell: (cell.attack, cell.id))
        for _, cells in itertools.groupby(by_task, key=lambda cell: cell.task.digest):
            checks.append(_numbers(db, catalog, list(cells), scope, say))
    return checks


def _must_match(globs: Sequence[str], models: Sequence[str]) -> None:
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in models):
            raise unknown("stored model", glob, set(models), "--models", "`harness show`")


def _chosen(cells: Sequence[CheckedCell], scope: Scope) -> list[CheckedCell]:
    return [
        cell
        for cell in cells
        if not scope.models or any(fnmatchcase(cell.model.name, glob) for glob in scope.models)
    ]


def _sampled(
    cell: CheckedCell, rows: Sequence[_R], name: Callable[[_R], str], scope: Scope
) -> list[_R]:
    """The rows of the cell to check: the first ones in the order of a hash of their names."""
    order = sorted(rows, key=lambda row: tagged_hash("verify", [cell.key, name(row)]))
    return order[: scope.sample]


def _files(db: Database, say: Say) -> tuple[Check, set[str]]:
    """Every sealed file against its hash; also the names of those that are missing or damaged."""
    check, damaged = Check("files", ""), set()
    folder = folder_of(path_of(db))
    for name, expected in artifact_files(db).items():
        if wrong := problem(folder / name, expected):
            damaged.add(name)
            check.wrong += 1
            say(f"{folder / name}: {wrong}")
        else:
            check.agree += 1
    loose = [] if is_held(path_of(db)) else orphans(db)  # a run makes files before their rows
    if damaged or loose:
        say(
            f"{len(damaged)} files are missing or damaged, {len(loose)} are orphaned:"
            " `harness verify --repair` deletes the former's entries, so that a run computes them"
            " again, and removes the latter"
        )
    return check, damaged


def _verdicts(
    rejudge: Rejudge, cells: Sequence[CheckedCell], scope: Scope, say: Say
) -> list[Check]:
    """The saved adversarial examples of one model's cells, judged again."""
    name = cells[0].model.name
    verdicts, norms = Check("verdicts", name), Check("norms", name)
    rows = {
        cell.key: _sampled(cell, kept_outcomes(rejudge.db, cell), _image_of, scope)
        for cell in cells
    }
    total = sum(map(len, rows.values()))
    model = rejudge.model(cells[0])
    if isinstance(model, str):
        say(f"skipped: {total} saved adversarial examples of {name}: {model}")
        verdicts.skipped = norms.skipped = total
        return [verdicts, norms]
    for cell in cells:
        try:
            for row, found in rejudge.rechecks(model, cell, rows[cell.key], say):
                where = f"{cell.label}, image {_image_of(row)}"
                for problem in _counted(found, verdicts, norms):
                    say(f"{where}: {problem}")
        except HarnessError as error:
            verdicts.wrong += 1
            say(f"{cell.label}: {error}")
    return [verdicts, norms]


def _counted(found: Recheck | None, verdicts: Check, norms: Check) -> Iterator[str]:
    """Add ``found`` to both checks; a line for each that is wrong."""
    if found is None:
        verdicts.skipped += 1
    elif found.verdict is None:
        verdicts.agree += 1
    elif found.tie:
        verdicts.ties += 1
    else:
        verdicts.wrong += 1
        yield found.verdict
    if found is None or not found.measured:
        norms.skipped += 1
    elif found.norms is None:
        norms.agree += 1
    else:
        norms.wrong += 1
        yield found.norms


def _image_of(row: KeptOutcome) -> str:
    return row.outcome.image_id


def _numbers(
    db: Database, catalog: Catalog, cells: Sequence[CheckedCell], scope: Scope, say: Say
) -> Check:
    """One measurement recomputed from its arrays."""
    check = Check("numbers", cells[0].attack)
    measurement = rebuilt(cells[0].task, catalog)
    for cell in cells:
        stored = stored_measurements(db, cell)
        for row in _sampled(cell, stored, lambda row: row.image_id, scope):
            found = Refit(known=False)
            if not isinstance(measurement, str):
                found = refit(measurement, row)
            if found.difference is not None:
                check.wrong += 1
                say(f"{cell.label}, image {row.image_id}: {found.difference}")
            elif found.known:
                check.agree += 1
            else:
                check.skipped += 1
    if check.skipped:
        why = measurement if isinstance(measurement, str) else "they need the model"
        say(f"skipped: {check.skipped} measurements by {check.of}: {why}")
    return check
