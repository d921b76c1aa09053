from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from boards import results, transfer_matrix
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transfer_toy import Toy, attack, by_loops, clean_cells, panel, suite_of

from harness.analysis.transfer.matrix import side_by_side
from harness.analysis.transfer.summary import mean_rate, summary
from harness.api.transfers import TransferMatrix
from harness.errors import ConfigError

IMAGES = 5
MODELS = ("a", "b", "c")
FGSM = "fgsm epsilon=0.1"


@st.composite
def toys(draw: st.DrawFn) -> Toy:
    """Any state that a run can leave: half done, failed, some sizes alike."""
    toy = Toy({"a": "F", "b": "G", "c": "F"})
    right = st.sampled_from([True, True, False, None])
    for model in MODELS:
        toy.clean[model] = draw(st.lists(right, min_size=IMAGES, max_size=IMAGES))
        status = st.sampled_from(["b", "r", "b", "r", "w", "i", "e", None])
        toy.statuses[model] = draw(st.lists(status, min_size=IMAGES, max_size=IMAGES))
    for source in MODELS:
        kept = [i for i, status in enumerate(toy.statuses[source]) if status in ("b", "r")]
        for target in MODELS:
            border = draw(st.sampled_from(["none", "white", "grey", ""]))
            if not border:
                continue
            toy.borders[source, target] = border
            rank = st.none() | st.integers(0, 9)
            toy.ranks[source, target] = (
                draw(st.dictionaries(st.sampled_from(kept), rank)) if kept else {}
            )
            toy.adapted[source, target] = draw(
                st.dictionaries(st.integers(0, IMAGES - 1), st.none() | st.booleans())
            )
    return toy


def stored(bench: Any, toy: Toy, goal: str) -> None:
    bench.run(suite_of(list(toy.families), [attack(FGSM, goal, budget=0.1)]), IMAGES)
    panel(bench, toy, clean_cells(bench, toy), attack="fgsm", label=FGSM, goal=goal, budget=0.1)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    toy=toys(),
    goal=st.sampled_from(["untargeted", "random"]),
    k=st.sampled_from([None, 1, 2, 5]),
    denominator=st.sampled_from(["paper", "code"]),
    border=st.sampled_from(["white", "grey"]),
)
def test_every_cell_equals_plain_loops(
    bench: Any, toy: Toy, goal: str, k: int | None, denominator: Any, border: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = type(bench)(Path(folder) / "harness.db")
        stored(bench, toy, goal)
        if not any(toy.ranks.values()):
            with pytest.raises(ConfigError, match="has no transfers"):
                transfer_matrix(bench.sql, k=k, denominator=denominator, border=border)
            return
        matrix = transfer_matrix(bench.sql, k=k, denominator=denominator, border=border)
        bench.db.close()
    targeted = goal != "untargeted"
    assert matrix.k == ((k or 5) if targeted else 1)
    assert matrix.models == ("a", "c", "b")
    for source in MODELS:
        for target in MODELS:
            cell = matrix.cells.get((source, target))
            assert (
                cell
                and tuple(
                    (each.hits, each.images, each.missing) for each in (cell.rate, cell.clean_error)
                )
            ) == by_loops(
                toy,
                source,
                target,
                targeted=targeted,
                k=matrix.k,
                denominator=denominator,
                border=border,
            )


def full(models: dict[str, str | None], images: int = 4) -> Toy:
    """All pairs done at one size; on every target but the source itself ranks are 0, 1, 2, 3."""
    toy = Toy(models)
    for source in models:
        toy.clean[source] = [True] * images
        toy.statuses[source] = ["b"] * images
        for target in models:
            toy.borders[source, target] = "none"
            toy.ranks[source, target] = {i: i for i in range(images)}
    return toy


def test_the_diagonal_is_the_stored_success_for_k_1_alone(bench: Any) -> None:
    toy = full({"a": "F", "b": "F"})
    toy.statuses["a"] = ["b", "r", "r", "r"]
    stored(bench, toy, "random")
    assert transfer_matrix(bench.sql, k=1).cells["a", "a"].rate.value == 0.25
    assert transfer_matrix(bench.sql, k=3).cells["a", "a"].rate.value == 0.75
    assert transfer_matrix(bench.sql, k=1).cells["a", "b"].rate.value == 0.25


def test_images_outside_the_suites_runs_do_not_count(bench: Any) -> None:
    """Another suite took the same cells on more images."""
    toy = full({"a": "F", "b": "F"})
    stored(bench, toy, "untargeted")
    suite = suite_of(["a", "b"], [attack(FGSM, "untargeted", budget=0.1)])
    bench.run(suite, 2, name="smaller")
    for (cell,) in bench.sql.execute("SELECT id FROM cells").fetchall():
        bench.sql.execute("INSERT INTO run_cells VALUES (?, ?, 2)", (bench.run_id, cell))
    bench.commit()
    smaller = transfer_matrix(bench.sql)
    assert smaller.suite == "smaller"
    assert (smaller.cells["a", "b"].rate.hits, smaller.cells["a", "b"].rate.images) == (1, 2)
    assert transfer_matrix(bench.sql, suite="toy").cells["a", "b"].rate.images == 4


def test_newer_weights_do_not_borrow_older_transfers(bench: Any) -> None:
    toy = full({"a": "F", "b": "F"})
    stored(bench, toy, "untargeted")
    bench.run(suite_of(["a", "b"], [attack(FGSM, "untargeted", budget=0.1)]), 4)
    for (cell,) in bench.sql.execute("SELECT id FROM cells").fetchall():
        bench.sql.execute("INSERT INTO run_cells VALUES (?, ?, 4)", (bench.run_id, cell))
    bench.clean("b", [True] * 4, weights="new")
    bench.attack("b", ["r"] * 4, weights="new", label=FGSM, attack="fgsm", goal="untargeted",
                 budget=0.1)  # fmt: skip
    matrix = transfer_matrix(bench.sql)
    assert set(matrix.cells) == {("a", "a"), ("b", "b")}
    assert matrix.cells["b", "b"].rate.value == 0
    assert "missing: all transfers from a, b" in matrix.notes


@pytest.fixture
def several(bench: Any) -> Any:
    """Transfers of I-FGSM at two epsilons and two goals; FGSM has none."""
    toy = full({"a": "F", "b": "G"})
    labels = {f"ifgsm epsilon={size}": size for size in (0.1, 0.2)}
    attacks = [attack("fgsm", "untargeted", budget=0.1)]
    attacks += [attack(label, "untargeted", "random", budget=e) for label, e in labels.items()]
    bench.run(suite_of(["a", "b"], attacks), 4)
    clean = clean_cells(bench, toy)
    bench.attack("a", ["b"] * 4, attack="fgsm", goal="untargeted", budget=0.1)
    for label, size in labels.items():
        for goal in ("random", "untargeted"):
            panel(bench, toy, clean, attack="ifgsm", label=label, goal=goal, budget=size)
    return bench


def test_panels_are_those_with_transfers_in_the_suites_order(several: Any) -> None:
    assert [(each.attack.label, each.goal) for each in results(several.sql, "toy").panels()] == [
        ("ifgsm epsilon=0.1", "untargeted"),
        ("ifgsm epsilon=0.1", "random"),
        ("ifgsm epsilon=0.2", "untargeted"),
        ("ifgsm epsilon=0.2", "random"),
    ]


def test_what_was_chosen_unasked_is_noted(several: Any) -> None:
    chosen = transfer_matrix(several.sql, attack="ifgsm")
    assert (chosen.attack.label, chosen.goal) == ("ifgsm epsilon=0.1", "untargeted")
    assert any("also transfers of ifgsm epsilon=0.2" in note for note in chosen.notes)
    assert any("also transfers for random" in note for note in chosen.notes)
    exact = transfer_matrix(several.sql, attack="ifgsm", epsilon=0.2, goal="random")
    assert (exact.attack.budget, exact.goal, exact.k, exact.notes) == (0.2, "random", 5, ())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"attack": "igfsm"}, "--attack: unknown attack with transfers 'igfsm'.*'ifgsm'"),
        ({"attack": "fgsm"}, "'fgsm' is installed, but the suite's runs hold no attack"),
        ({"attack": "ifgsm", "goal": "randon"}, "--goal: .*did you mean 'random'"),
        ({"attack": "ifgsm", "epsilon": 0.3}, "--epsilon: .*there are: 0.1, 0.2"),
        ({"suite": "nope"}, "no run of suite 'nope'"),
    ],
)
def test_wrong_names(several: Any, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        transfer_matrix(several.sql, **asked)


def test_missing_pairs_and_images_are_named(bench: Any) -> None:
    toy = full({"a": "F", "b": "F", "c": "G", "d": "G"})
    toy.statuses["a"] = ["b", "b", "b", None]
    toy.ranks["a", "b"] = {0: 1}
    del toy.borders["b", "c"]
    toy.borders["c", "a"] = "grey"
    toy.adapted["c", "a"] = {}
    for other in "abc":
        del toy.borders[other, "d"]
    stored(bench, toy, "untargeted")
    notes = transfer_matrix(bench.sql, border="white").notes
    assert "missing: all transfers to d" in notes
    assert "missing pairs (2): b → c, c → a" in notes
    assert "1 pairs are stored with a grey border only, not with a white one" in notes
    assert any("a → b (2 of 3 images)" in note for note in notes)
    assert any("not attacked yet" in note and "a (1 of 4)" in note for note in notes)


def test_the_suites_border_is_the_default(bench: Any) -> None:
    toy = full({"a": "F", "b": "F"})
    toy.borders["a", "b"] = "grey"
    toy.adapted["a", "b"] = {0: False, 1: True}
    suite = suite_of(["a", "b"], [attack(FGSM, "untargeted", budget=0.1)])
    bench.run({**suite, "transfer": {"border": "grey", "keep_sets": True}}, IMAGES)
    panel(bench, toy, clean_cells(bench, toy), attack="fgsm", label=FGSM, goal="untargeted",
          budget=0.1)  # fmt: skip
    matrix = transfer_matrix(bench.sql)
    assert matrix.border == "grey"
    error = matrix.cells["a", "b"].clean_error
    assert (error.hits, error.images, error.missing) == (1, 2, 2)


def test_families_stand_side_by_side() -> None:
    models = {"a": "F", "b": None, "c": "G", "d": "F", "e": None, "f": "b"}
    assert side_by_side(models) == ("a", "d", "b", "c", "e", "f")


def planted(bench: Any) -> TransferMatrix:
    """Rates 1/4 .. 4/4 that differ by pair, in families of two and one."""
    toy = full({"a": "F", "b": "F", "c": "G"})
    rates = {("a", "b"): 4, ("b", "a"): 3, ("a", "c"): 3, ("b", "c"): 1, ("c", "a"): 0,
             ("c", "b"): 1}  # fmt: skip
    for pair, hits in rates.items():
        toy.ranks[pair] = {i: 1 if i < hits else 0 for i in range(4)}
    stored(bench, toy, "untargeted")
    return transfer_matrix(bench.sql)


def test_the_summary_of_a_small_matrix(bench: Any) -> None:
    matrix = planted(bench)
    short = summary(matrix)
    assert [(f.source, f.target, f.mean.value, f.mean.pairs) for f in short.families] == [
        ("F", "F", 3.5 / 4, 2),
        ("F", "G", 2 / 4, 2),
        ("G", "F", 0.5 / 4, 2),
    ]
    assert short.within is not None
    assert short.within.value == 3.5 / 4
    assert short.across is not None
    assert (short.across.value, short.across.pairs) == (5 / 16, 4)
    assert [(each.source, each.mean.value) for each in short.sources] == [
        ("a", 3.5 / 4), ("b", 2 / 4), ("c", 0.5 / 4)
    ]  # fmt: skip
    assert [(p.forth.source, p.forth.target, p.difference) for p in short.asymmetries] == [
        ("a", "c", 3 / 4), ("a", "b", 1 / 4)
    ]  # fmt: skip


def test_a_means_interval_is_that_of_one_pair(bench: Any) -> None:
    pair = planted(bench).cells["b", "a"]
    mean = mean_rate([pair, pair])
    assert mean is not None
    assert (mean.pairs, mean.images, mean.interval) == (2, 4, pair.rate.interval)
    assert mean_rate([]) is None
