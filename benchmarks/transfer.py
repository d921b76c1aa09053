"""Transfers against a bare forward loop of the same images, and ONNX Runtime against torch.

The work on a target, from reading saved adversarial examples to storing ranks, takes turns with
a loop that only calls the network on images in memory, which both bring into
its layout; both go the verdicts' way.
The examples are noise, in databases of their own: no attack is run.

    python benchmarks/transfer.py [--images 800] [--sets 6] [--repeats 5] [MODEL ...]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from measure import Presence, interleaved, ratio

from harness.api import Devices, ModelRow, Outcome, Placement, RunStarted, Status, Verdict
from harness.engine.classifier import PixelClassifier
from harness.engine.device import default_batch_size
from harness.engine.forwards import Forward, exported, predicting
from harness.engine.timing import random_images
from harness.execute.driver.costs import estimated_costs
from harness.execute.driver.crew import Crew
from harness.execute.driver.driver import Driver
from harness.execute.driver.provision import provided
from harness.execute.driver.queues import queues_of
from harness.execute.driver.scheduler import Scheduler
from harness.execute.driver.transfer import Transfers
from harness.execute.executors.inline import Inline
from harness.execute.images import Images
from harness.execute.journal import Image, Journal
from harness.execute.pending import pending, plan_images
from harness.execute.session import Session, Settings
from harness.execute.worker import transfer_task
from harness.execute.worker.model_cache import load_model
from harness.planning import Cell, Plan, PlannedTransfer
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import Resolved, prepare
from harness.resolve.request import Request
from harness.sealed import read_rows
from harness.store.database import path_of
from harness.store.read.candidates import candidates
from harness.store.write.writer import Writer

CPU = torch.device("cpu")
SETTINGS = Settings(device=CPU, batch_size=None)
KEPT = 256
"""Candidates that are appended to a set at a time."""


class Silent:
    """A display that shows nothing, and keeps no journal."""

    def start(self, *, cells: int, images: int) -> None: ...
    def say(self, text: str) -> None: ...
    def cell(self, label: str) -> None: ...
    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None: ...
    def began(self, run: RunStarted) -> None: ...
    def completed(self, row: ModelRow) -> None: ...
    def call(self, what: str, images: Sequence[Image] = ()) -> None: ...
    def idle(self) -> None: ...
    def beat(self) -> None: ...
    def ask(self, request: Any) -> Any: ...


def planned(suite: str, model: str, limit: int) -> Resolved:
    """``suite`` on one model; its attacks all keep the images, ``limit`` each."""
    resolved = prepare(Request(suite=suite, models=[model]), load([]), installed())
    images = resolved.plan.cells[0].images[:limit]
    cells = tuple(
        replace(cell, images=images, attack=replace(cell.attack, keep=True))
        if cell.attack
        else cell
        for cell in resolved.plan.cells
    )
    return replace(resolved, plan=replace(resolved.plan, cells=cells, transfer=PlannedTransfer()))


def filled(writer: Writer, resolved: Resolved, sources: Sequence[Cell]) -> int:
    """Begin a run and keep noise as the candidates of ``sources``; returns the run."""
    plan, images = resolved.plan, identified(resolved)
    run = writer.begin_run(
        plan,
        environment={},
        command=["benchmark"],
        images=list(images.keys.values()),
    )
    draw = np.random.default_rng(0)
    for cell in sources:
        attempt = writer.begin_attempt(cell.key, run, device="cpu", batch_size=1)
        names = [image.id for image in cell.images]
        for start in range(0, len(names), KEPT):
            some = names[start : start + KEPT]
            pixels = draw.random((len(some), *cell.model.about["shape"]), np.float32)
            rows = writer.artifacts.append(cell.key, pixels)
            writer.write_outcomes(
                attempt,
                [
                    Outcome(image_id=name, label=0, verdict=Verdict(Status.BROKEN, 0))
                    for name in some
                ],
                dict(zip(some, rows, strict=True)),
            )
        writer.artifacts.seal(cell.key)
    return run


def identified(resolved: Resolved) -> Images:
    """The images of the plan."""
    images = Images(resolved.dataset)
    images.identify(plan_images(resolved.plan))
    return images


def beside_a_bare_loop(suite: str, name: str, limit: int, sets: int, repeats: int) -> None:
    """Print how long transfers take, as a multiple of the forward passes alone."""
    resolved = planned(suite, name, limit)
    sources = resolved.plan.sources[:sets]
    loaded = load_model(*resolved.models[name], CPU, fold_batch_norm=True)
    size = default_batch_size(CPU, loaded.model.shape)
    images = identified(resolved)
    forward = predicting(loaded.model)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        first = Path(folder, "0.db")
        with Writer.open(first, command=["benchmark"]) as writer:
            run = filled(writer, resolved, sources)
            every = [row for cell in sources for row in candidates(writer.db, cell.key)]
            pixels = torch.from_numpy(read_rows([row.saved for row in every if row.saved]))
        fresh = [stack.enter_context(copied(first, number)) for number in range(1, repeats + 2)]

        executor = stack.enter_context(Inline(Placement(devices=Devices("cpu")), Silent()))
        given = provided(resolved, installed(), images, Path(folder), batch_size=None)
        crew = Crew(executor, executor.start(*given).workers, print)

        def work() -> Iterator[None]:  # the first time, which does not count, it loads the model
            show(resolved, crew, fresh.pop(), images, run)
            yield

        def bare() -> Iterator[None]:
            for batch in pixels.split(size):
                forward.run(batch.contiguous(memory_format=forward.memory_format))
            yield

        def verdicts(model: PixelClassifier, *_: object, **__: object) -> Forward:
            return predicting(model)

        with mock.patch.object(transfer_task, "fastest", verdicts):
            found = interleaved({"transfers": work, "bare": bare}, repeats=repeats + 1)
    pair = [replace(found[case], seconds=found[case].seconds[1:]) for case in ("transfers", "bare")]
    each = [1e6 * case.median / len(every) for case in pair]
    print(
        f"{name:28} {len(every):6} images  transfers {each[0]:8.1f} us, bare {each[1]:8.1f} us,"
        f" ratio {ratio(*pair):.3f}"
    )


def copied(database: Path, number: int) -> Writer:
    """A copy of ``database``, which shares its saved examples, open for writing."""
    copy = database.with_name(f"{number}.db")
    shutil.copy(database, copy)
    Path(f"{copy}.artifacts").symlink_to(f"{database}.artifacts")
    return Writer.open(copy, command=["benchmark"])


def show(resolved: Resolved, crew: Crew, writer: Writer, images: Images, run: int) -> None:
    """The work on a target as a run does it."""
    session = Session(
        resolved=resolved,
        images=images,
        writer=writer,
        progress=Silent(),
        journal=Journal(Path(f"{path_of(writer.db)}.calls")),
        settings=SETTINGS,
        run=run,
    )
    left = pending(resolved.plan, images.keys, writer.db, retry_errors=False)
    costs = estimated_costs(resolved, {})
    queues = queues_of(resolved.plan, left, costs)
    work = Transfers(session, left.transfers, queues.targets, ended=lambda group: None)
    work.open(resolved.plan.sources)
    scheduler = Scheduler(list(queues.targets.values()), loading=costs.loading, whole=True)
    Driver(crew, scheduler, work.groups, lambda members: None).drive()


def runtimes(suite: str, name: str, images: int, repeats: int) -> None:
    """Print what ONNX Runtime and torch take for an image."""
    resolved = prepare(Request(suite=suite, models=[name]), load([]), installed())
    model = load_model(*resolved.models[name], CPU, fold_batch_norm=True).model
    graph = exported(model)
    if graph is None:
        print(f"{name:28} cannot be exported")
        return
    size = default_batch_size(CPU, model.shape)
    batch = random_images(model, size)
    ways = {"torch": predicting(model), "onnxruntime": graph}

    def loop(way: str) -> Iterator[None]:
        forward = ways[way]
        inputs = batch.contiguous(memory_format=forward.memory_format)
        for _ in range(max(1, images // size)):
            forward.run(inputs)
        yield

    cases = {way: (lambda way=way: loop(way)) for way in ways}
    found = interleaved(cases, repeats=repeats + 1)
    pair = [replace(found[way], seconds=found[way].seconds[1:]) for way in ("onnxruntime", "torch")]
    each = [1e6 * case.median / (max(1, images // size) * size) for case in pair]
    print(
        f"{name:28} onnxruntime {each[0]:8.1f} us, torch {each[1]:8.1f} us,"
        f" ratio {ratio(*pair):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="by default all of the suite")
    parser.add_argument("--suite", default="digits18")
    parser.add_argument("--images", type=int, default=800, help="of each set")
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    suite: Plan = prepare(Request(suite=options.suite), load([]), installed()).plan
    names = options.models or [model.name for model in suite.models]
    presence = Presence(torch.get_num_threads())
    for name in names:
        beside_a_bare_loop(options.suite, name, options.images, options.sets, options.repeats)
    for name in names:
        runtimes(options.suite, name, options.images * options.sets, options.repeats)
    print(presence)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
