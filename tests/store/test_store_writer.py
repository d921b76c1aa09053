"""The writer: runs, rows that are written once, what is done, and the size of it all."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import store_toy as toy

from harness.api import Goal, ImageKey, Status, Verdict
from harness.planning import Component, NumericPolicy
from harness.plugins import PluginReport
from harness.store.database import reading, transaction
from harness.store.read.pending import cell_rows, done_clean, done_results
from harness.store.schema.latest import mark_all
from harness.store.write.writer import Writer


@pytest.fixture
def writer(tmp_path):
    with Writer.open(tmp_path / "h.db", command=["x"]) as writer:
        yield writer


def rows(writer, sql):
    return writer.db.execute(sql).fetchall()


def names(keys):
    return sorted(key.name for key in keys)


def test_a_run_and_what_it_refers_to(writer):
    plan = toy.toy_plan(images=6, attacked=4)
    first, second = toy.begin(writer, plan), toy.begin(writer, plan)
    for table, count in [("components", 3), ("cells", 2), ("images", 6), ("environments", 1)]:
        assert rows(writer, f"SELECT count(*) FROM {table}") == [(count,)], table
    assert rows(writer, "SELECT run_id, cell_id, images FROM run_cells") == [
        (first, 1, 6), (first, 2, 4), (second, 1, 6), (second, 2, 4),
    ]  # fmt: skip
    order = rows(
        writer,
        "SELECT name, label FROM run_images JOIN images ON images.id = image_id"
        f" WHERE run_id = {second} ORDER BY position",
    )
    assert order == [(toy.name(i), i % 10) for i in range(6)]
    assert rows(writer, "SELECT label, goal, seed, norm, budget FROM cells") == [
        ("clean", None, None, None, None), ("fgsm", "random", 0, "linf", 0.1),
    ]  # fmt: skip
    writer.finish_run(second, status="done", exit_code=0)
    assert rows(writer, "SELECT status, exit_code, finished IS NULL FROM runs") == [
        ("interrupted", None, 1), ("done", 0, 0),
    ]  # fmt: skip


def test_a_renamed_model_is_the_same_component(writer):
    toy.begin(writer, toy.toy_plan())
    other = Component("renamed", toy.MODEL.identity, {"shape": [3, 2, 2], "family": "new"})
    toy.begin(writer, toy.toy_plan(models=[other]))
    found = rows(writer, "SELECT name, about FROM components WHERE kind = 'model'")
    assert [(name, json.loads(about)["family"]) for name, about in found] == [("renamed", "new")]
    assert rows(writer, "SELECT count(*) FROM cells") == [(2,)]


def test_broken_plugins_are_stored(writer):
    run = toy.begin(writer, toy.toy_plan())
    broken = PluginReport("bad", "bad-plugin", "1.2", stage="import", cause="ImportError: x")
    writer.record_plugin_errors(run, [broken, PluginReport("good", "good-plugin", "1")])
    found = rows(writer, "SELECT plugin, distribution, version, stage, cause FROM plugin_errors")
    assert found == [("bad", "bad-plugin", "1.2", "import", "ImportError: x")]


def test_an_attempt(writer):
    number = toy.attempt(writer, toy.toy_plan())
    writer.finish_attempt(number, status="failed", seconds=1.5, halvings=2, error="out of memory")
    found = rows(
        writer, "SELECT status, device, batch_size, halvings, seconds, error FROM attempts"
    )
    assert found == [("failed", "cpu", 4, 2, 1.5, "out of memory")]


def test_a_finished_outcome_is_never_overwritten(writer):
    number = toy.attempt(writer, toy.toy_plan())
    for status in (Status.BROKEN, Status.ROBUST, Status.CLEAN_WRONG):
        writer.forget(cell.key for cell in toy.toy_plan().cells)
        writer.write_outcomes(number, [toy.outcome(0, status)])
        with pytest.raises(RuntimeError, match="internal error: 1 results were already stored"):
            # The transaction's other rows do not stay either.
            writer.write_outcomes(number, [toy.outcome(1), toy.outcome(0, Status.ERROR)])
        assert rows(writer, "SELECT image_id, status FROM samples") == [(toy.name(0), status)]
    with pytest.raises(RuntimeError):
        writer.write_outcomes(number, [toy.outcome(2), toy.outcome(2)])


def test_a_failed_outcome_is_replaced_with_its_numbers(writer):
    plan = toy.toy_plan()
    first = toy.attempt(writer, plan)
    failed = [
        toy.outcome(0, Status.ERROR, error="x", numbers={"old": 1.0}),
        toy.outcome(1, Status.INVALID, numbers={"old": 1.0}),
        toy.outcome(2, numbers={"epsilon": 0.5, "none": math.nan, "far": math.inf}),
    ]
    writer.write_outcomes(first, failed)
    second = toy.attempt(writer, plan)
    writer.write_outcomes(
        second, [toy.outcome(i, Status.ROBUST, numbers={"epsilon": i}) for i in range(2)]
    )
    found = rows(writer, "SELECT image_id, attempt_id, status, error FROM outcomes")
    assert [row[1:] for row in found] == [
        (second, "robust", None), (second, "robust", None), (first, "broken", None),
    ]  # fmt: skip
    numbers = rows(writer, "SELECT name, value FROM measurements ORDER BY image_id")
    assert numbers == [("epsilon", 0.0), ("epsilon", 1.0), ("epsilon", 0.5)]


def test_the_verdict_after_rounding_stands_beside_the_other(writer):
    plan = toy.toy_plan()
    run = toy.begin(writer, plan)
    rounded = {"rounded_status": Status.ROBUST, "rounded_predicted": 7, "rounded_margin": -0.25}
    failed = toy.outcome(2, Status.ERROR, error="x")
    writer.write_outcomes(
        toy.attempt(writer, plan, run=run), [toy.outcome(0, **rounded), toy.outcome(1), failed]
    )
    writer.write_outcomes(toy.attempt(writer, plan, run=run), [toy.outcome(2, **rounded)])
    names = "status, rounded_status, rounded_predicted, rounded_margin"
    assert rows(writer, f"SELECT {names} FROM samples ORDER BY image_id") == [
        ("broken", "robust", 7, -0.25), ("broken", None, None, None), ("broken", "robust", 7, -0.25)
    ]  # fmt: skip
    found = cell_rows(writer.db, run, plan.cells[1].key).outcomes
    assert [row.rounded for row in found] == [
        Verdict(Status.ROBUST, 7, -0.25),
        None,
        Verdict(Status.ROBUST, 7, -0.25),
    ]
    assert all(isinstance(row.status, Status) for row in found)


def test_a_clean_prediction_is_replaced_only_where_it_failed(writer):
    plan = toy.toy_plan()
    number = toy.attempt(writer, plan, cell=0)
    failed = toy.clean(1, predicted=None, margin=None, error="cannot be read")
    writer.write_clean(number, [toy.clean(0), failed])
    writer.write_clean(number, [toy.clean(1, margin=math.nan, likeliest=(1, 2, 0))])
    found = rows(writer, "SELECT predicted, margin, error FROM clean")
    assert found == [(0, 1.0, None), (1, None, None)]
    with pytest.raises(RuntimeError, match="already stored"):
        writer.write_clean(number, [toy.clean(0, predicted=7)])
    assert done_clean(writer.db, plan.cells[0].key, retry_errors=False) == {
        ImageKey(toy.name(0), f"{0:064x}", 0): toy.clean(0),
        ImageKey(toy.name(1), f"{1:064x}", 1): toy.clean(1, margin=None, likeliest=(1, 2, 0)),
    }


def test_what_counts_as_done(writer):
    plan = toy.toy_plan()
    clean, key = (cell.key for cell in plan.cells)
    run = toy.begin(writer, plan)
    statuses = [status for status in Status if status is not Status.MEASURED]
    writer.write_clean(
        toy.attempt(writer, plan, cell=0, run=run),
        [toy.clean(0), toy.clean(1, predicted=None, error="x")],
    )
    writer.write_outcomes(
        toy.attempt(writer, plan, run=run),
        [toy.outcome(i, status) for i, status in enumerate(statuses)],
    )
    db = writer.db
    assert names(done_clean(db, clean, retry_errors=False)) == [toy.name(0), toy.name(1)]
    assert names(done_clean(db, clean, retry_errors=True)) == [toy.name(0)]
    assert names(done_results(db, key, "outcomes", retry_errors=False)) == [
        toy.name(i) for i in range(5)
    ]
    assert names(done_results(db, key, "outcomes", retry_errors=True)) == [
        toy.name(i) for i, status in enumerate(statuses) if status not in ("error", "invalid")
    ]
    assert done_results(db, "0" * 64, "outcomes", retry_errors=False) == set()


def test_a_larger_limit_leaves_the_rest_to_do(writer):
    """Thirty images, then sixty: thirty are done, under the same keys."""
    small, large = toy.toy_plan(images=30), toy.toy_plan(images=60)
    key = small.cells[1].key
    assert key == large.cells[1].key
    writer.write_outcomes(toy.attempt(writer, small), [toy.outcome(i) for i in range(30)])
    run = toy.begin(writer, large)
    done = done_results(writer.db, key, "outcomes", retry_errors=False)
    todo = [i for i, image in enumerate(toy.stored(large)) if image not in done]
    assert todo == list(range(30, 60))
    writer.write_outcomes(toy.attempt(writer, large, run=run), [toy.outcome(i) for i in todo])
    assert len(cell_rows(writer.db, 1, key).outcomes) == 30
    assert len(cell_rows(writer.db, run, key).outcomes) == 60
    run = toy.begin(writer, toy.toy_plan(images=60, attacked=10))
    assert [row.image_id for row in cell_rows(writer.db, run, key).outcomes] == [
        toy.name(i) for i in range(10)
    ]


@pytest.mark.parametrize("change", [{"digest": "f" * 64}, {"label": 7}])
def test_a_changed_image_or_label_is_another_image(writer, change):
    plan = toy.toy_plan(images=2)
    writer.write_outcomes(toy.attempt(writer, plan), [toy.outcome(0), toy.outcome(1)])
    images = toy.stored(plan)
    changed = [images[0], images[1]._replace(**change)]
    run = writer.begin_run(plan, environment={}, command=[], images=changed)
    done = done_results(writer.db, plan.cells[1].key, "outcomes", retry_errors=False)
    assert [image in done for image in changed] == [True, False]
    assert len(cell_rows(writer.db, run, plan.cells[1].key).outcomes) == 1
    writer.write_outcomes(toy.attempt(writer, plan, run=run), [toy.outcome(1, Status.ROBUST)])
    found = cell_rows(writer.db, run, plan.cells[1].key).outcomes
    assert [(row.status, row.label) for row in found] == [
        (Status.BROKEN, 0), (Status.ROBUST, changed[1].label),
    ]  # fmt: skip


def test_cell_rows_hold_the_models_own_clean_rows(writer):
    other = Component("other", {"weights": "other"}, {"shape": [1, 4, 5]})
    plan = toy.toy_plan(models=[toy.MODEL, other], attacked=3, goals=(Goal.RANDOM, Goal.UNTARGETED))
    run = toy.begin(writer, plan)
    writer.write_clean(
        toy.attempt(writer, plan, cell=0, run=run),
        [toy.clean(i, **({"predicted": None, "error": "x"} if i == 5 else {})) for i in range(6)],
    )
    writer.write_clean(toy.attempt(writer, plan, cell=3, run=run), [toy.clean(0, predicted=9)])
    writer.write_outcomes(
        toy.attempt(writer, plan, cell=2, run=run),
        [toy.outcome(2, target=None), toy.outcome(0, Status.ROBUST, confident=False)],
    )
    found = cell_rows(writer.db, run, plan.cells[2].key)
    assert (found.model, found.attack, found.goal) == ("net", "fgsm", "untargeted")
    assert found.shape == toy.SHAPE
    assert [row.predicted for row in found.clean] == [0, 1, 2, 3, 4, None]
    assert [(row.image_id, row.status, row.confident) for row in found.outcomes] == [
        (toy.name(0), Status.ROBUST, False), (toy.name(2), Status.BROKEN, True),
    ]  # fmt: skip
    assert (found.outcomes[1].norms.linf, found.outcomes[1].target) == (0.1 + 2 / 1000, None)
    assert [row.image_id for row in found.broken] == [toy.name(2)]
    others = cell_rows(writer.db, run, plan.cells[5].key)
    assert others.shape == (1, 4, 5)
    assert [(row.image_id, row.predicted) for row in others.clean] == [(toy.name(0), 9)]
    assert others.outcomes == ()
    assert len(cell_rows(writer.db, run, plan.cells[0].key).clean) == 6


def test_cell_rows_tell_numeric_policies_apart(writer):
    folded, plain = toy.toy_plan(), toy.toy_plan(policy=NumericPolicy(fold_batch_norm=False))
    plan = replace(folded, cells=folded.cells + plain.cells)
    run = toy.begin(writer, plan)
    writer.write_clean(toy.attempt(writer, plan, cell=0, run=run), [toy.clean(0)])
    writer.write_clean(toy.attempt(writer, plan, cell=2, run=run), [toy.clean(0, predicted=9)])
    found = [cell_rows(writer.db, run, cell.key).clean for cell in plan.cells]
    assert [[row.predicted for row in clean] for clean in found] == [[0], [0], [9], [9]]


def test_scores_and_forget(writer):
    plan = toy.toy_plan(goals=(Goal.RANDOM, Goal.UNTARGETED))
    run = toy.begin(writer, plan)
    for cell in (1, 2):
        number = toy.attempt(writer, plan, cell=cell, run=run)
        writer.write_outcomes(number, [toy.outcome(0, numbers={"epsilon": 1.0})])
        writer.write_scores(run, plan.cells[cell].key, {"a": (0.5, 4, "%"), "b": (math.nan, 0, "")})
    writer.write_scores(run, plan.cells[1].key, {"a": (0.25, 8, "%")})
    assert rows(writer, "SELECT metric, value, images, unit FROM scores WHERE cell_id = 2") == [
        ("a", 0.25, 8, "%"), ("b", None, 0, ""),
    ]  # fmt: skip
    writer.forget([plan.cells[1].key])
    for table in ("outcomes", "measurements", "scores"):
        assert rows(writer, f"SELECT DISTINCT cell_id FROM {table}") == [(3,)], table


def test_fifty_thousand_images_take_no_query_each(writer):
    plan = toy.toy_plan(images=50_000)
    queries = []
    writer.db.conn.set_trace_callback(
        lambda sql: queries.append(sql) if sql.lstrip().startswith("SELECT") else None
    )
    run = toy.begin(writer, plan)
    writer.write_clean(
        toy.attempt(writer, plan, cell=0, run=run), (toy.clean(i) for i in range(50_000))
    )
    assert len(cell_rows(writer.db, run, plan.cells[0].key).clean) == 50_000
    assert len(queries) < 20


def test_a_hundred_thousand_outcomes_take_less_than_25_megabytes(tmp_path):
    path = tmp_path / "h.db"
    models = [Component(f"net-{n}", {"weights": str(n)}, {"shape": [3, 2, 2]}) for n in range(50)]
    plan = toy.toy_plan(images=1000, models=models, goals=(Goal.RANDOM, Goal.UNTARGETED))
    with Writer.open(path, command=["x"]) as writer:
        run = toy.begin(writer, plan)
        for place, cell in enumerate(plan.cells):
            if cell.attack:
                number = toy.attempt(writer, plan, cell=place, run=run)
                writer.write_outcomes(
                    number,
                    [
                        toy.outcome(i, l1=math.sqrt(i), numbers={"epsilon": 0.1})
                        for i in range(1000)
                    ],
                )
    with reading(path) as db:
        assert db.execute("SELECT count(*) FROM samples").fetchone() == (100_000,)
    assert path.stat().st_size < 25e6


def test_an_outcome_that_is_made_again_stands_until_its_successor(writer):
    """Three were attacked without keeping them; then the work is broken off after the first."""
    plan = toy.toy_plan()
    key = plan.cells[1].key
    numbers = {"epsilon": 0.5}
    writer.write_outcomes(
        toy.attempt(writer, plan), [toy.outcome(i, numbers=numbers) for i in range(3)]
    )
    before = rows(writer, "SELECT image_id, status, l2 FROM outcomes")
    run = toy.begin(writer, plan)
    writer.make_again(key, [toy.name(i) for i in range(4)], run)
    assert rows(writer, "SELECT image_id, status, l2 FROM outcomes") == before
    number = toy.attempt(writer, plan, run=run)
    (kept,) = writer.artifacts.append(key, toy.pictures(0))
    again = toy.outcome(0, l2=0.05, numbers={"epsilon": 1.0})
    writer.write_outcomes(number, [again], {toy.name(0): kept})
    failed = [toy.outcome(1, Status.ERROR, error="x"), toy.outcome(2, Status.INVALID)]
    writer.write_outcomes(number, [*failed, toy.outcome(3)], {toy.name(3): kept})
    now = rows(writer, "SELECT image_id, status, l2, artifact_id IS NULL FROM outcomes")
    assert now == [(1, "broken", 0.05, 0), (2, "broken", 0.2, 1), (3, "broken", 0.2, 1),
                   (4, "broken", 0.2, 0)]  # fmt: skip
    found = rows(writer, "SELECT image_id, value FROM measurements")
    assert found == [(1, 1.0), (2, 0.5), (3, 0.5)]
    with pytest.raises(RuntimeError, match="already stored"):
        writer.write_outcomes(number, [toy.outcome(0, l2=0.01)], {toy.name(0): kept})


def test_the_latest_run_says_which_image_counts(writer):
    plan = toy.toy_plan(images=3)
    first = toy.stored(plan)
    mended = [first[0], first[1]._replace(label=9), first[2]._replace(digest="f" * 64)]
    latest = "SELECT name, label, digest FROM images WHERE latest ORDER BY name"
    numbers = "SELECT id, latest FROM images ORDER BY id"
    for images in (first, mended, first[:1], mended[:2], first):
        writer.begin_run(plan, environment={}, command=[], images=images)
        keys = {key: key for key in map(tuple, rows(writer, latest))}
        assert all((image.name, image.label, image.digest) in keys for image in images)
        assert len(keys) == 3
        now = rows(writer, numbers)
        with transaction(writer.db) as connection:
            connection.execute("UPDATE images SET latest = 1")
            mark_all(connection)
        assert rows(writer, numbers) == now
