"""Records as rows: every field has its column, and comes back from it."""

from __future__ import annotations

import math
import pickle
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import NORMS, CleanPrediction, Measured, Norms, Outcome, Passes, Status, Verdict
from harness.store.columns import CLEAN, JUDGED, MEASURED, OUTCOME, RETRYABLE
from harness.store.write.writer import Writer

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
counts = st.integers(0, 2**31)
verdicts = st.builds(
    Verdict, st.sampled_from(Status), st.none() | counts, st.none() | numbers
)  # fmt: skip
outcomes = st.builds(
    Outcome,
    image_id=st.just("a"),
    label=st.just(3),
    target=st.none() | counts,
    verdict=verdicts,
    confident=st.booleans(),
    norms=st.builds(Norms, numbers, numbers, numbers, counts) | st.just(Norms()),
    passes=st.builds(Passes, counts, counts),
    rounded=st.none() | verdicts,
    error=st.none() | st.text(max_size=5),
)
clean = st.builds(
    CleanPrediction,
    st.just("a"),
    st.just(3),
    predicted=st.none() | counts,
    margin=st.none() | numbers,
    likeliest=st.none() | st.lists(counts, min_size=1).map(tuple),
)


@given(st.tuples(st.just(OUTCOME), outcomes) | st.tuples(st.just(CLEAN), clean))
def test_a_record_comes_back_from_sqlite_and_from_another_process(given_):
    columns, record = given_
    others = {"image_id": "a", "label": 3} | ({"numbers": {}} if columns is OUTCOME else {})
    with closing(sqlite3.connect(":memory:")) as db:
        marks = ", ".join("?" * len(columns.names))
        (values,) = db.execute(f"SELECT {marks}", columns.values(record)).fetchall()
    assert columns.read(values, **others) == record
    assert pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize(
    ("columns", "table"), [(OUTCOME, "outcomes"), (CLEAN, "clean"), (MEASURED, "measured")]
)
def test_every_field_has_its_column_and_every_column_its_field(columns, table, tmp_path):
    with Writer.open(tmp_path / "h.db", command=["x"]) as writer:
        there = {column.name for column in writer.db.table(table).columns}
    kept = {"artifact_id", "artifact_row"} if table == "outcomes" else set()
    assert there == {*columns.names, "cell_id", "image_id", "attempt_id", *kept}


def test_what_is_not_finite_is_null():
    row = Outcome(image_id="a", label=0, verdict=Verdict(Status.ROBUST, 1, math.nan))
    assert OUTCOME.values(row)[OUTCOME.names.index("margin")] is None
    measured = Measured(image_id="a", status=Status.ERROR)
    assert MEASURED.values(measured) == [None, "error", 0, 0, None]


def test_norms_and_statuses_are_listed_once():
    assert tuple(Norms.__dataclass_fields__) == NORMS == ("linf", "l2", "l1", "l0")
    assert (JUDGED, RETRYABLE) == ("('robust', 'broken')", "('invalid', 'error')")
    others = {status for status in Status if not status.judged and not status.failed}
    assert others == {Status.CLEAN_WRONG, Status.MEASURED}
