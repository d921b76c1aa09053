"""Transfers of a run: what is stored, what is done again and what never is."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from transfer_toys import PAIRS, attacked, query

CANDIDATES = """
SELECT images.name, coalesce(target, images.label), path, artifact_row
FROM outcomes JOIN images ON images.id = image_id JOIN cells ON cells.id = outcomes.cell_id
JOIN artifacts ON artifacts.id = artifact_id WHERE cells.key = ?
"""


def transfers() -> set[tuple]:
    return set(query(PAIRS))


def forwards_of_targets(monkeypatch) -> dict[str, int]:
    """Counts, from now on, the predictions that transfers make on each target."""
    from harness.execute.worker import transfer_task as target

    counts: dict[str, int] = {}
    evaluate = target.evaluate

    def counting(forward, batches, **options):
        for found in evaluate(forward, batches, **options):
            key = f"{forward.shape[1]} x {forward.shape[2]}"
            counts[key] = counts.get(key, 0) + len(found.predicted)
            yield found

    monkeypatch.setattr(target, "evaluate", counting)
    return counts


@pytest.mark.parametrize("border", ["white", "grey"])
def test_a_cell_computed_by_hand(run, border):
    done = run("small", "large", transfer=f"{{border: {border}}}")
    assert done.code == 0, done.err
    from sizes import Halves, Toy

    value = {"white": 1.0, "grey": 0.5}[border]
    model = Toy((11, 8), 1, nan=False)
    ((key, how),) = query(
        "SELECT DISTINCT source_cell_key, border FROM transfer_pairs WHERE source = 'small'"
        " AND target = 'large' AND goal = 'random' AND attack_label LIKE '%0.05'"
    )
    assert how == border
    stored = {
        name: (predicted, rank)
        for _, _, _, name, predicted, rank, *_ in query(
            f"{PAIRS} WHERE cells.key = ? AND targets.name = 'large'", key
        )
    }
    adapted_clean = dict(
        query(
            "SELECT images.name, predicted FROM adapted_clean JOIN images ON images.id = image_id"
            " JOIN cells ON cells.id = target_cell_id JOIN components ON components.id = model_id"
            " WHERE components.name = 'large'"
        )
    )
    candidates = query(CANDIDATES, key)
    assert len(candidates) == len(stored) >= 12
    dataset = Halves(None)
    for name, goal, path, row in candidates:
        kept = load_file(Path("harness.db.artifacts") / path)["images"][row]
        framed = torch.full((1, 3, 11, 8), value)
        framed[0, :, 2:9] = torch.from_numpy(kept)
        logits = model(framed)[0].tolist()
        order = sorted(range(6), key=lambda c: (-logits[c], c))
        assert stored[name] == (order[0], order.index(goal))
        (sample,) = (sample for sample in dataset.samples() if sample.id == name)
        framed[0, :, 2:9] = torch.from_numpy(dataset.read(sample, (7, 8)))
        assert adapted_clean[name] == int(model(framed).argmax())
    assert len({predicted for predicted, _ in stored.values()}) > 1


def test_the_diagonal_is_the_stored_verdict(run):
    assert run("small", "large").code == 0
    rows = query(
        "SELECT outcomes.predicted, transfers.predicted, rank, outcomes.status FROM transfers"
        " JOIN pairs ON pairs.id = pair_id JOIN outcomes ON outcomes.cell_id = source_cell_id"
        " AND outcomes.image_id = transfers.image_id"
        " JOIN cells ON cells.id = source_cell_id JOIN cells AS own ON own.id = target_cell_id"
        " WHERE own.model_id = cells.model_id AND outcomes.target IS NOT NULL"
    )
    assert len(rows) >= 20
    assert all(verdict == predicted for verdict, predicted, _, _ in rows)
    assert all((rank == 0) == (status == "broken") for _, _, rank, status in rows)
    assert {status for *_, status in rows} == {"broken", "robust"}


def test_equal_sizes_need_no_border_and_no_further_clean_predictions(run):
    assert run("small", "twin", "large").code == 0
    borders = {(source, target): border for source, target, *_, border, _ in transfers()}
    assert borders[("small", "twin")] == borders[("twin", "small")] == "none"
    assert borders[("small", "small")] == "none"
    assert borders[("small", "large")] == borders[("large", "twin")] == "white"
    targets = query(
        "SELECT DISTINCT components.name, height FROM adapted_clean"
        " JOIN adaptations ON adaptations.id = adaptation_id"
        " JOIN cells ON cells.id = target_cell_id JOIN components ON components.id = model_id"
    )
    assert set(targets) == {("large", 7), ("small", 11), ("twin", 11)}


def test_a_run_of_transfers_alone_says_what_it_found(run):
    """As after a kill between the last attack and its transfers."""
    assert run("small", "large", transfer="null").code == 0
    ((count,),) = query("SELECT (SELECT count(*) FROM outcomes) + count(*) FROM clean_predictions")
    done = run("small", "large")
    assert done.code == 0, done.err
    assert " predictions of transfers computed" in done.err
    assert f"no image to compute, {count} images found" in done.err


def test_a_second_run_does_nothing_and_a_later_model_only_what_is_new(run, monkeypatch):
    assert run("small", "large").code == 0
    before = transfers()
    assert len(before) == 2 * (attacked("small") + attacked("large"))
    counts = forwards_of_targets(monkeypatch)
    again = run("small", "large")
    assert "nothing to do" in again.err
    assert counts == {}
    later = run("small", "large", "late")
    assert later.code == 0, later.err
    assert before < transfers()
    new = attacked("late")
    everything = attacked("small") + attacked("large") + new
    assert len(transfers()) == 3 * everything
    ((clean,),) = query("SELECT count(*) FROM adapted_clean")
    added = {"7 x 8": new, "11 x 8": new, "8 x 7": everything}
    seen = {size: counts[size] - added[size] for size in added}
    # What is left are clean pictures: of late on the others, of the others on late.
    pictures = {
        "7 x 8": candidates_of("late"),
        "11 x 8": candidates_of("late"),
        "8 x 7": candidates_of("small") + candidates_of("large"),
    }
    assert seen == pictures
    assert clean == candidates_of("small") + candidates_of("large") + sum(pictures.values())


def candidates_of(model: str) -> int:
    """Of how many pictures a model has candidates."""
    ((count,),) = query(
        "SELECT count(DISTINCT image_id) FROM samples WHERE model = ?"
        " AND status IN ('broken', 'robust')",
        model,
    )
    return count


def test_a_larger_limit_and_narrower_selections(run):
    only = ("--goals", "random", "--attacks", "fgsm epsilon=0.05")
    assert run("small", "large", options=(*only, "--limit", 6)).code == 0
    first = transfers()
    assert {goal for _, _, goal, *_ in first} == {"random"}
    assert run("small", "large", options=only).code == 0
    assert first < transfers()
    assert run("small", "large", options=("--models", "small")).code == 0
    assert len([row for row in transfers() if row[:2] == ("small", "small")]) == attacked("small")
    assert {row[:3] for row in transfers()} > {("small", "small", "untargeted")}
    assert ("small", "large", "untargeted") not in {row[:3] for row in transfers()}


def test_a_target_that_cannot_be_loaded_stops_no_other(run, monkeypatch):
    assert run("small", "large", transfer="null").code == 0
    monkeypatch.setenv("BROKEN", "large")
    done = run("small", "large", "late")
    assert done.code == 1
    lines = [line for line in done.err.splitlines() if line.startswith("failed: large: transfers")]
    assert len(lines) == 1
    assert "missing" in lines[0]
    targets = {target for _, target, *_ in transfers()}
    assert targets == {"small", "late"}
    stopped = run("small", "large", "late", options=("--fail-fast",))
    assert stopped.code == 1
    assert "stopped at large: --fail-fast" in stopped.err
    monkeypatch.delenv("BROKEN")
    assert run("small", "large", "late").code == 0
    everything = sum(map(attacked, ("small", "large", "late")))
    assert len(transfers()) == 3 * everything


def test_a_target_that_returns_nan(run, monkeypatch):
    assert run("small", "twin", transfer="null").code == 0
    monkeypatch.setenv("NAN", "twin")
    done = run("small", "twin")
    assert done.code == 1
    ((count,),) = query("SELECT count(*) FROM transfers WHERE predicted IS NULL")
    assert count > 0
    assert f"failed: twin: transfers: {count} NaN or infinite" in done.err
    monkeypatch.delenv("NAN")
    assert run("small", "twin").code == 1, "what is stored stays"
    assert run("small", "twin", options=("--retry-errors",)).code == 0
    assert query("SELECT count(*) FROM transfers WHERE predicted IS NULL") == [(0,)]


def test_fresh_forgets_transfers_of_and_to_its_cells(run):
    assert run("small", "large", "late").code == 0
    before = transfers()
    writer_forget(["small"])
    left = transfers()
    assert left == {row for row in before if "small" not in row[:2]}
    assert query(
        "SELECT count(*) FROM adapted_clean JOIN cells ON cells.id = target_cell_id"
        " JOIN components ON components.id = model_id WHERE name = 'small'"
    ) == [(0,)]
    assert run("small", "large", "late").code == 0
    assert transfers() == before
    assert run("small", "large", "late", options=("--fresh",)).code == 0
    assert transfers() == before


def writer_forget(models: list[str]) -> None:
    from harness.store.write.writer import Writer

    keys = query("SELECT key FROM cells JOIN components ON components.id = model_id"
                 f" WHERE name IN ({', '.join('?' * len(models))})", *models)  # fmt: skip
    with Writer.open(Path("harness.db"), command=["test"]) as writer:
        writer.forget(key for (key,) in keys)


def outcomes() -> list[tuple]:
    return query("SELECT cell_key, image_id, status, target, predicted FROM samples ORDER BY 1, 2")


def test_candidates_that_were_not_kept_are_made_again(run):
    """The first attack was run without keeping anything; then without the files."""
    assert run("small", "large", keep="false", transfer="null").code == 0
    before = outcomes()
    done = run("small", "large")
    assert done.code == 0, done.err
    again = sum(
        count
        for (count,) in query(
            "SELECT count(*) FROM samples WHERE attack_label LIKE '%0.05'"
            " AND status IN ('broken', 'robust')"
        )
    )
    assert f"{again} images computed" in done.err
    assert outcomes() == before
    assert len(transfers()) == 2 * (attacked("small") + attacked("large"))
    first = transfers()
    shutil.rmtree("harness.db.artifacts")
    idle = run("small", "large")
    assert "nothing computed" in idle.err
    assert "6 files of saved adversarial examples are missing or damaged" in idle.err
    assert "`harness verify --repair` deletes their entries" in idle.err
    later = run("small", "large", "late")
    assert later.code == 0, later.err
    assert set(before) < set(outcomes())
    assert first < transfers()
    assert len(transfers()) == 3 * sum(map(attacked, ("small", "large", "late")))


def test_an_interrupt_while_candidates_are_made_again_loses_nothing(run, monkeypatch):
    from harness.store.write.writer import Writer

    assert run("small", "large", keep="false", transfer="null").code == 0
    before, write, left = outcomes(), Writer.write_outcomes, 3

    def interrupted(*arguments) -> None:
        nonlocal left
        left -= 1
        if not left:
            signal.raise_signal(signal.SIGINT)
        write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write_outcomes", interrupted)
        assert run("small", "large", options=("--batch-size", "2")).code == 130
    assert outcomes() == before
    kept = "SELECT count(*) FROM outcomes WHERE artifact_id IS NOT NULL"
    ((some,),) = query(kept)
    assert 0 < some < attacked("small") + attacked("large")
    done = run("small", "large")
    assert done.code == 0, done.err
    assert outcomes() == before
    assert query(kept) == [(attacked("small") + attacked("large"),)]


def test_streaming_keeps_no_sets_and_a_later_model_has_them_made_again(run, monkeypatch):
    assert run("small", "large", options=("--db", "kept.db")).code == 0
    whole = query(PAIRS, db="kept.db")
    done = run("small", "large", transfer="{keep_sets: false}")
    assert done.code == 0, done.err
    assert transfers() == set(whole)
    candidates = attacked("small") + attacked("large")
    assert f"6 sets are not kept: for another model their {candidates} images" in done.err
    assert query("SELECT count(*) FROM artifacts") == [(0,)]
    assert query("SELECT count(*) FROM outcomes WHERE artifact_id IS NOT NULL") == [(0,)]
    assert [path for path in Path("harness.db.artifacts").rglob("*") if path.is_file()] == []
    assert "nothing to do" in run("small", "large", transfer="{keep_sets: false}").err
    counts = forwards_of_targets(monkeypatch)
    before = outcomes()
    later = run("small", "large", "late", transfer="{keep_sets: false}")
    assert later.code == 0, later.err
    assert set(before) < set(outcomes())
    assert set(whole) < transfers()
    everything = candidates + attacked("late")
    assert len(transfers()) == 3 * everything
    assert counts["7 x 8"] == attacked("late") + candidates_of("late")
    assert query("SELECT count(*) FROM artifacts") == [(0,)]


def test_the_plan_counts_forwards(run):
    def rows(*models):
        shown = run(*models, verb="plan", options=("--format", "json"))
        assert shown.code == 0, shown.err
        found = {row["attack"]: row for row in json.loads(shown.out)["attacks"]}
        return found["transfer"], found["adapted clean prediction"]

    pairs, clean = rows("small", "large")
    assert (pairs["cells"], pairs["images"], pairs["pending"]) == (12, 12 * 24, 12 * 24)
    assert (clean["cells"], clean["images"], clean["forwards"]) == (2, 48, 48)
    assert run("small", "large").code == 0
    pairs, clean = rows("small", "large")
    assert (pairs["pending"], pairs["stored"], clean["pending"]) == (0, 12 * 24, 0)
    pairs, clean = rows("small", "large", "late")
    known = attacked("small") + attacked("large")
    assert pairs["pending"] == known + 3 * 3 * 24
    assert pairs["forwards"] == pairs["pending"]


def test_status_and_runs_do_not_mind(run, harness):
    assert run("small", "large").code == 0
    assert harness("status").code == 0
    assert harness("runs", "show", 1).code == 0
    shown = json.loads(harness("runs", "show", 1, "--format", "json").out)
    assert shown["definition"]["transfer"] == {"border": "white", "keep_sets": True}


def test_a_suite_that_keeps_nothing_cannot_transfer(harness, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "suites:\n  bad:\n    dataset: digits\n    models: [digits-vgg16]\n    transfer: {}\n"
        "    attacks: [{attack: fgsm, goals: [random]}]\n    metrics: [accuracy]\n"
    )
    done = harness("run", "--registry", path, "--suite", "bad")
    assert done.code == 2
    assert "no attack keeps its images" in done.err


def test_a_damaged_set_is_not_shown_and_made_again_after_a_repair(run, harness):
    assert run("small", "large").code == 0
    before, stored = transfers(), outcomes()
    ((name, count),) = query(
        "SELECT path, count(*) FROM outcomes JOIN artifacts ON artifacts.id = artifact_id"
        " GROUP BY 1 ORDER BY 1 LIMIT 1"
    )
    file = Path("harness.db.artifacts") / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    file.write_bytes(data)
    later = run("small", "large", "late")
    assert later.code == 1
    assert f"{file.absolute()}: saved images: the file is damaged" in later.err
    assert (
        f"1 files of saved adversarial examples are missing or damaged ({file.absolute()} is"
        in (later.err)
    )
    assert before < transfers()
    everything = sum(map(attacked, ("small", "large", "late")))
    assert len(transfers()) == 3 * everything - count
    repaired = harness("verify", "--repair")
    assert f"deleted the entries of {count} saved adversarial examples in 1 missing" in repaired.err
    assert not file.exists()
    again = run("small", "large", "late")
    assert again.code == 0, again.err
    assert f"{count} images computed" in again.err
    assert "damaged" not in again.err
    assert before < transfers()
    assert set(stored) < set(outcomes())
    assert len(transfers()) == 3 * everything
    assert query("SELECT count(*) FROM outcomes WHERE artifact_id NOT NULL") == [(everything,)]
