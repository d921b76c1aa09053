"""``harness.run`` and ``harness.plan``: a suite from Python."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from harness import signals
from harness.api import Devices, Observer, Placement
from harness.definition import Numerics
from harness.library.tables import Table
from harness.part import Part
from harness.plugins import installed
from harness.registry.load import load
from harness.report.presentation import Field, present
from harness.resolve.places import split_places
from harness.resolve.prepare import draft, prepare
from harness.resolve.request import Request, named_goals, with_stored_names

if TYPE_CHECKING:
    from harness.display import DisplayKind
    from harness.execute.run import Summary


def run(
    suite: str,
    *,
    db: str | Path = "harness.db",
    devices: str | Placement = "auto",
    executor: str = "auto",
    progress: DisplayKind = "auto",
    registry: Sequence[str | Path] = (),
    observers: Sequence[str | Observer] = (),
    summary: str | Path | None = None,
    **selected: Any,
) -> Summary:
    """Run a suite, or resume it: what ``db`` holds already is not computed again.

    Images that fail do not raise: the summary's ``failures`` name them.

    Args:
        suite: a name of the registry, or of a file of ``registry``.
        db: the database; made where there is none.
        devices: as ``--devices`` of `harness run`; or a `Placement`, which says more.
        executor: its name; ``auto``: what fits the devices and the work.
        progress: how progress is shown on stderr.
        registry: overlays of the built-in registry.
        observers: who is told of the run as it happens: as ``--observe``, or instances.
        summary: a file for a JSON summary of the run, as ``--summary``.
        **selected: what of the suite; see `selection`.

    Raises:
        HarnessError: as on the command line: a wrong name, weights or data that are missing, a
            database that is busy. KeyboardInterrupt: the same call resumes the run.
    """
    from harness.display import make_display
    from harness.display.audience import Audience
    from harness.display.observers import observers as named
    from harness.execute.executors.choice import check, own_device
    from harness.execute.run import run as run_plan
    from harness.execute.session import Settings
    from harness.report.summary import document, keeping
    from harness.store.write.writer import Writer

    path, command = Path(db), ["harness.run", suite, *sys.argv]
    write = keeping(Path(summary)) if summary else None
    with (
        signals.handled(),
        make_display(progress) as display,
        Audience(display, document, write) as told,
    ):
        catalog = installed()
        told.invite(named(observers, catalog, "observers"))
        asked = with_stored_names(selection(suite, **selected), path)
        where = Placement(devices=Devices.parse(devices)) if isinstance(devices, str) else devices
        known = load([Path(file) for file in registry])
        check(executor, where, catalog)
        device = own_device(executor, where, asked.numerics_in(known.get_suite(suite)))
        settings = Settings(device=device, batch_size=None, executor=executor, placement=where)
        resolved = prepare(asked, known, catalog, say=told.say, progress=told.download)
        with Writer.open(path, command=command) as writer:
            done = run_plan(resolved, catalog, writer, told, settings, command=command)
        told.over(done, done.exit_code)
    return done


def plan(
    suite: str,
    *,
    db: str | Path = "harness.db",
    registry: Sequence[str | Path] = (),
    **selected: Any,
) -> Table:
    """The cells of a suite, one row per model, attack and goal, with what is left to compute.

    Arguments and errors as of `run`; weights need not be here, images do.
    """
    from harness.execute.pending import pending_in

    path = Path(db)
    asked = with_stored_names(selection(suite, **selected), path)
    resolved = draft(asked, load([Path(file) for file in registry]), installed()).resolved
    left = pending_in(path, resolved.plan, resolved.dataset, retry_errors=False)
    rows = [
        {
            "cell_key": cell.key,
            "model": cell.model.name,
            "task": cell.task.label if cell.task else "clean",
            "goal": cell.goal and str(cell.goal),
            "images": len(cell.images),
            "pending": len(left.cells[cell.key]),
        }
        for cell in resolved.plan.cells
    ]
    return Table(present(CELLS, rows, title=f"suite {suite}"))


CELLS: tuple[Field[Mapping[str, Any]], ...] = (
    Field("cell_key"),
    Field("model", "model"),
    Field("task", "attack or measurement"),
    Field("goal", "goal"),
    Field("images", "images", numeric=True),
    Field("pending", "pending", numeric=True),
)


class Others(TypedDict, total=False):
    """What of `selection` is passed on as it is."""

    limit: int | None
    seed: int | None
    numerics: Numerics | None
    weights: Sequence[tuple[str | None, str]]
    preprocessing: Mapping[str, Any]


def selection(
    suite: str,
    *,
    dataset: str | None = None,
    models: Sequence[str] = (),
    attacks: Sequence[str] = (),
    goals: Sequence[str] = (),
    data: Mapping[str, str | Path] | None = None,
    shard: str | None = None,
    **others: Unpack[Others],
) -> Request:
    """What of a suite to run; nothing given means all that the suite says.

    Args:
        dataset: instead of the suite's: a name, or READER:PATH such as ``npz:mine.npz``.
        models: names or globs; LOADER:MODEL and files add any other model: ``net.py:FUNCTION``.
        attacks: names or globs of attacks and measurements of the suite, or NAME:parameter=value...
            for any installed one, as ``--attacks`` on the command line.
        goals: such as ``untargeted`` and ``random``.
        limit: the maximum number of images per cell.
        seed: instead of the suite's.
        data: paths of datasets by name; by NAME@HOST for the hosts of workers, HOST being a glob.
        shard: the part of the run to compute, such as ``2/8``; see `harness.part`.
        numerics: what gradients are computed in, ``fp32``, ``tf32`` or ``bf16``, instead of the
            suite's; verdicts are always in IEEE fp32.
        weights: (glob of models or None, source or file) each, as ``--weights``.
        preprocessing: of the models that no registry names, as ``--preprocessing``:
            ``{"size": [32, 32], "mean": 0.5}``.

    Raises:
        ConfigError: there is no such goal or part, there are no such numerics, or a key of
            ``data`` is malformed.
    """
    here, elsewhere = split_places((name, Path(path)) for name, path in (data or {}).items())
    return Request(
        suite=suite,
        dataset=dataset,
        models=models,
        attacks=attacks,
        goals=named_goals(goals),
        data=here,
        data_on=elsewhere,
        shard=None if shard is None else Part.parse(shard),
        **others,
    )
