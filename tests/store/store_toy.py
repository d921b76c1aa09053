"""A toy plan for the store's tests, and what child processes do to a database.

Run as a program: ``python store_toy.py ACTION ARGUMENT...``; a child that is to be killed says
``ready`` first. Image ``i`` of a kept set is filled with the number i.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

from harness.api import CleanPrediction, Goal, ImageKey, Norm, Status
from harness.errors import HarnessError
from harness.planning import Component, NumericPolicy, Plan, PlannedAttack, PlannedImage, plan_cells
from harness.store import artifacts
from harness.store.columns import OUTCOME
from harness.store.merge import merge as merging
from harness.store.write.writer import Writer

SHAPE = (3, 2, 2)
MODEL = Component("net", {"weights": "w"}, {"shape": list(SHAPE), "family": "nets"})
DATASET = Component("dots", {"name": "dots", "version": "1"}, {})
FGSM = Component("fgsm", {"name": "fgsm", "version": "1", "parameters": {"epsilon": 0.1}}, {})


def toy_plan(images=6, models=(MODEL,), goals=(Goal.RANDOM,), attacked=None, policy=None):
    attack = PlannedAttack(
        FGSM, "fgsm", Norm.LINF, 0.1, tuple(goals), attacked, keep=True, eight_bit=False
    )
    cells = plan_cells(
        models=models,
        attacks=[attack],
        dataset=DATASET,
        images=[PlannedImage(name(i), i % 10) for i in range(images)],
        clean_images=None,
        seed=0,
        policy=policy or NumericPolicy(),
    )
    definition = {
        "name": "toy",
        "dataset": "dots",
        "models": [model.name for model in models],
        "attacks": [],
        "images": None,
        "accuracy_images": None,
        "seed": 0,
    }
    return Plan("toy", definition, 0, cells, ("success",))


def name(i):
    return f"dot-{i:04}"


def stored(plan):
    images = max((cell.images for cell in plan.cells), key=len)
    return [ImageKey(image.id, f"{i:064x}", image.label) for i, image in enumerate(images)]


def begin(writer, plan):
    return writer.begin_run(
        plan, environment={"python": "3"}, command=["harness", "run"], images=stored(plan)
    )


def attempt(writer, plan, cell=1, run=None):
    run = begin(writer, plan) if run is None else run
    return writer.begin_attempt(plan.cells[cell].key, run, device="cpu", batch_size=4)


def outcome(i, status=Status.BROKEN, **values):
    """An outcome from the values of its columns; what is not said has some value."""
    some = dict.fromkeys(OUTCOME.names)
    some |= {"target": 3, "predicted": 3, "margin": 0.5, "confident": True}
    some |= {"linf": 0.1 + i / 1000, "l2": 0.2, "l1": 0.3, "l0": 4, "forwards": 2, "backwards": 1}
    numbers = values.pop("numbers", {})
    some |= {"status": status} | values
    assert set(some) == set(OUTCOME.names)
    return OUTCOME.read(list(some.values()), image_id=name(i), label=i % 10, numbers=numbers)


def clean(i, **values):
    fields = {"predicted": i % 10, "margin": 1.0, "least": 1, "second": 2}
    return CleanPrediction(name(i), i % 10, **{**fields, **values})


def pictures(*numbers):
    return np.stack([np.full(SHAPE, i, np.float32) for i in numbers])


def keep_and_write(writer, number, key, *images):
    kept = writer.artifacts.append(key, pictures(*images))
    places = {name(i): row for i, row in zip(images, kept, strict=True)}
    writer.write_outcomes(number, [outcome(i) for i in images], places)


def hold(path):
    with Writer.open(Path(path), command=["harness", "run", "--suite", "a b"]):
        wait()


def die_in_transaction(path):
    """Rows are written but not committed when the process stops to be killed."""
    plan = toy_plan()
    with Writer.open(Path(path), command=["x"]) as writer:
        number = attempt(writer, plan)
        writer.write_outcomes(number, [outcome(0)])
        writer.db.conn.execute("BEGIN IMMEDIATE")
        writer.db.conn.execute("UPDATE outcomes SET status = 'robust'")
        wait()


def keep_until(path, event):
    """Keep and seal images; kill this process at the ``event``-th step that reaches the disk."""
    left = int(event)

    def dying(function):
        def call(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return call

    with Writer.open(Path(path), command=["x"]) as writer:
        plan = toy_plan()
        number = attempt(writer, plan)
        key = plan.cells[1].key
        # Each call is a moment before something becomes durable; the writes of rows themselves are
        # cut in two by the call to fsync.
        for place, function in [
            (os, "fsync"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "write_bytes"),
            (artifacts, "transaction"),
            (sys.modules["harness.store.write.writer"], "transaction"),
        ]:
            setattr(place, function, dying(getattr(place, function)))
        keep_and_write(writer, number, key, 0, 1)
        keep_and_write(writer, number, key, 2)
        writer.artifacts.seal(key)
        keep_and_write(writer, number, key, 3)
        writer.artifacts.seal(key)


def merge_until(path, other, event):
    """Merge ``other``; kill this process at the ``event``-th step that reaches the disk."""
    left = int(event)

    def dying(function):
        def call(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return call

    for place, function in [
        (os, "fsync"),
        (Path, "replace"),
        (Path, "unlink"),
        (shutil, "copyfile"),
        (merging, "_conflicts"),
    ]:
        setattr(place, function, dying(getattr(place, function)))
    merging.merge(Path(path), Path(other), command=["x"])


def merges_killed_at_each_step(folder, other):
    """`merge_until` in a process for each step, until one ends by itself."""
    event, status = 0, -1
    while status:
        event += 1
        child = os.fork()
        if not child:
            merge_until(Path(folder) / f"{event}.db", other, event)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL)


def killed_at_each_step(folder):
    """`keep_until` in a process for each step, until one ends by itself."""
    event, status = 0, -1
    while status:
        event += 1
        child = os.fork()
        if not child:
            keep_until(Path(folder) / f"{event}.db", event)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL)


def seal_without_room(path, room):
    """Keep three images and seal them where a file may be that many bytes larger than they are."""
    with Writer.open(Path(path), command=["x"]) as writer:
        key = toy_plan().cells[1].key
        keep_and_write(writer, attempt(writer, toy_plan()), key, 0, 1, 2)
        most = pictures(0, 1, 2).nbytes + int(room)
        # SQLite's own files are larger: it wants to write none of them before the seal.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        writer.artifacts.seal(key)


def write(path):
    with Writer.open(Path(path), command=["x"]) as writer:
        writer.write_outcomes(attempt(writer, toy_plan()), [outcome(0)])


def verb(*arguments):
    from harness.cli.main import main

    main(arguments)


def wait():
    print("ready", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]](*sys.argv[2:])
    except HarnessError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
