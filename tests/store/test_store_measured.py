"""Measured images in the store: what is replaced, what is forgotten, what means are over."""

from __future__ import annotations

import numpy as np
import pytest

from harness.api import Goal, ImageKey, Measured, Passes, Status
from harness.identity import tagged_hash
from harness.planning import (
    Component,
    NumericPolicy,
    Plan,
    PlannedImage,
    PlannedMeasurement,
    measurement_key,
    plan_cells,
)
from harness.store.read.pending import done_results, measured_means, measured_statuses
from harness.store.write.writer import Writer

MODEL = Component("net", {"weights": "w"}, {"shape": [3, 2, 2], "family": "nets"})
DATASET = Component("dots", {"name": "dots", "version": "1"}, {})
CLEVER = Component("clever", {"name": "clever", "version": "1", "parameters": {}}, {})

FROZEN = "d30b95b565911ab98cd76eb1573ead651b3f4927c82fced154716e7835f1ff5a"


def plan():
    cells = plan_cells(
        models=[MODEL],
        attacks=[],
        measurements=[PlannedMeasurement(CLEVER, "clever", (Goal.RANDOM,), None)],
        dataset=DATASET,
        images=[PlannedImage(f"dot-{i}", i) for i in range(4)],
        clean_images=None,
        seed=0,
        policy=NumericPolicy(),
    )
    return Plan("toy", {"name": "toy", "attacks": []}, 0, cells)


@pytest.fixture
def writer(tmp_path):
    with Writer.open(tmp_path / "h.db", command=["x"]) as opened:
        yield opened


def row(i, status=Status.MEASURED, **values):
    return Measured(
        image_id=f"dot-{i}",
        status=status,
        target=3,
        passes=Passes(7, 6),
        numbers={"score": float(i)},
        arrays={"max": np.array([i, 0.5], np.float32)},
        **values,
    )


def test_only_what_failed_is_replaced_and_no_nan_is_in_a_mean(writer):
    planned = plan()
    key = planned.cells[1].key
    images = [ImageKey(f"dot-{i}", f"{i:064x}", i) for i in range(4)]
    run = writer.begin_run(planned, environment={}, command=["x"], images=images)
    attempt = writer.begin_attempt(key, run, device="cpu", batch_size=4)
    poor = Measured(
        image_id="dot-2", status=Status.INVALID, numbers={"score": float("nan")}, error="flat"
    )
    writer.write_measured(attempt, [row(0), row(1), poor])
    writer.write_measured(attempt, [Measured(image_id="dot-3", status=Status.ERROR, error="x")])
    assert len(done_results(writer.db, key, "measured", retry_errors=False)) == 4
    assert len(done_results(writer.db, key, "measured", retry_errors=True)) == 2
    assert measured_means(writer.db, run, key) == {"score": (0.5, 2)}
    assert measured_statuses(writer.db, run, key) == {
        Status.MEASURED: 2, Status.INVALID: 1, Status.ERROR: 1
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="already stored"):
        writer.write_measured(attempt, [row(0)])
    writer.write_measured(attempt, [row(2)])
    assert measured_means(writer.db, run, key) == {"score": (1.0, 3)}
    arrays = writer.db.execute("SELECT data FROM arrays ORDER BY image_id").fetchall()
    assert [np.frombuffer(data, "<f4").tolist() for (data,) in arrays] == [
        [0, 0.5], [1, 0.5], [2, 0.5]
    ]  # fmt: skip
    writer.forget([key])
    for table in ("measured", "measurements", "arrays"):
        assert writer.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_key_of_a_measurement_is_frozen_and_its_own():
    key = measurement_key(
        model=MODEL, dataset=DATASET, measurement=CLEVER, goal=Goal.RANDOM, seed=0,
        policy=NumericPolicy(),
    )  # fmt: skip
    assert key == plan().cells[1].key
    assert key == FROZEN
    assert tagged_hash("cell", {}) != tagged_hash("measurement", {})
