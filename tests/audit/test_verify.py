"""``harness verify``: nothing wrong in a good database, and everything wrong found by name."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import Classifier, Norm, Norms, Outcome, Preprocessing, Status, Verdict
from harness.audit.recheck import Claim, Declaration, check
from harness.engine.classifier import PixelClassifier
from harness.identity import canonical_json, tagged_hash
from harness_metrics.clever import Clever
from harness_metrics.clever_scores import Asked, score


@pytest.fixture
def verify(harness, kept_run):
    """The command on the database; returns it with its checks by (check, of)."""

    def call(*options):
        done = harness("verify", "--registry", "kept.yaml", "--format", "json", *options)
        checks = {
            (row["what"], row["of"].split()[0] if row["of"] else ""): row
            for row in json.loads(done.out or "[]")
        }
        return done, checks

    return call


def sql(path, statement, *values):
    with sqlite3.connect(path) as db:
        return db.execute(statement, values).fetchall()


def counts(row):
    return row["agree"], row["hair"], row["wrong"], row["skipped"]


def test_all_is_right(verify, kept_run):
    done, checks = verify("--refit")
    assert done.code == 0, done.err
    kept = dict(sql(kept_run, "SELECT model, count(*) FROM samples WHERE attack = 'ifgsm'"
                    " AND status IN ('robust', 'broken') GROUP BY 1"))  # fmt: skip
    for model, images in kept.items():
        assert counts(checks["verdicts", model]) == (images, 0, 0, 0)
        assert counts(checks["norms", model]) == (images, 0, 0, 0)
    assert counts(checks["files", ""]) == (4, 0, 0, 0)
    ((fits,),) = sql(kept_run, "SELECT count(DISTINCT cell_id * 1000 + image_id) FROM arrays")
    assert counts(checks["numbers", "clever"]) == (fits, 0, 0, 0)
    assert checks["numbers", "divergence"]["skipped"] > 0
    assert done.err.count("\n") == 1
    assert "divergence" in done.err
    # A sample is the same one every time, and only models that are asked for are looked at.
    first, some = verify("--sample", 2, "--models", "digits-alex*")
    assert counts(some["verdicts", "digits-alexnet"]) == (4, 0, 0, 0)
    assert verify("--sample", 2, "--models", "digits-alex*")[0] == first
    assert ("verdicts", "digits-mobilenet_v1_025") not in some
    assert verify("--models", "digits-alexnot")[0].code == 2


def test_damaged_and_missing_files(verify, kept_run):
    one, other, *_ = sorted(Path(f"{kept_run}.artifacts").glob("*.safetensors"))
    data = bytearray(one.read_bytes())
    data[-1] ^= 1
    one.write_bytes(data)
    other.unlink()
    done, checks = verify()
    assert done.code == 1
    assert f"{one}: is damaged" in done.err
    assert f"{other}: is gone" in done.err
    assert counts(checks["files", ""]) == (2, 0, 2, 0)
    lost = sql(kept_run, "SELECT sum(path IN (?, ?)) FROM outcomes"
               " JOIN artifacts ON artifacts.id = artifact_id", one.name, other.name)  # fmt: skip
    skipped = [row["skipped"] for (what, _), row in checks.items() if what == "verdicts"]
    assert sum(skipped) == lost[0][0]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("predicted = (predicted + 1) % 10", "verdicts"),
        ("status = iif(status = 'broken', 'robust', 'broken')", "verdicts"),
        ("status = 'invalid', error = 'x'", "verdicts"),
        ("rounded_status = iif(rounded_status = 'broken', 'robust', 'broken')", "verdicts"),
        ("linf = linf * 1.00001", "norms"),
        ("l2 = l2 * 1.00001", "norms"),
        ("l0 = l0 + 1", "norms"),
        ("l1 = NULL", "norms"),
    ],
)
def test_a_changed_row(verify, kept_run, change, what):
    cell, image, model, name = sql(
        kept_run,
        "SELECT cell_id, image_id, components.name, images.name FROM outcomes"
        " JOIN images ON images.id = image_id JOIN cells ON cells.id = cell_id"
        " JOIN components ON components.id = model_id"
        " WHERE artifact_id IS NOT NULL AND rounded_status IS NOT NULL LIMIT 1 OFFSET 3",
    )[0]
    sql(kept_run, f"UPDATE outcomes SET {change} WHERE cell_id = ? AND image_id = ?", cell, image)
    done, checks = verify()
    assert done.code == 1
    assert checks[what, model]["wrong"] == 1
    assert sum(row["wrong"] for row in checks.values()) == 1
    assert done.err.count("\n") == 1
    assert f"{model} ifgsm" in done.err
    assert f"image {name}: " in done.err


def test_a_changed_candidate_is_seen_by_the_models_too(verify, kept_run):
    """Another image under a right hash: norms tell, and mostly the prediction."""
    sql(kept_run, "UPDATE outcomes SET artifact_row = 0 WHERE artifact_row = 1")
    _, checks = verify()
    assert checks["norms", "digits-alexnet"]["wrong"] >= 2
    assert checks["files", ""]["wrong"] == 0


@pytest.mark.parametrize("kind", ["array", "number", "zeros", "missing", "nonsense"])
def test_refit_finds_what_was_changed(verify, kept_run, kind):
    cell, image, name, data = sql(kept_run, "SELECT * FROM arrays WHERE name LIKE 'l2.%'")[0]
    maxima = np.frombuffer(data, "<f4").copy()
    maxima[maxima.argmax()] *= 1.001
    place = (cell, image)
    where = "WHERE cell_id = ? AND image_id = ?"
    if kind == "number":
        sql(kept_run, f"UPDATE measurements SET value = value * 1.00001 {where}"
            " AND name = 'l2.score'", *place)  # fmt: skip
    elif kind == "missing":
        sql(kept_run, f"DELETE FROM arrays {where} AND name = ?", *place, name)
    else:
        maxima = {"array": maxima, "zeros": 0 * maxima, "nonsense": maxima[:0]}[kind]
        data = maxima.tobytes()
        sql(kept_run, f"UPDATE arrays SET data = ? {where} AND name = ?", data, *place, name)
    done, checks = verify("--refit")
    assert done.code == 1
    assert checks["numbers", "clever"]["wrong"] == 1
    assert " clever norms=l2+linf" in done.err


def test_what_is_not_the_same_is_skipped(verify, kept_run):
    def replace_identity(kind, name, key):
        number, identity = sql(
            kept_run, "SELECT id, identity FROM components WHERE kind = ? AND name = ?", kind, name
        )[0]
        changed = {**json.loads(identity), key: "other"}
        sql(kept_run, "UPDATE components SET identity = ?, digest = ? WHERE id = ?",
            canonical_json(changed), tagged_hash(kind, changed), number)  # fmt: skip

    replace_identity("model", "digits-alexnet", "weights")
    replace_identity("dataset", "digits", "version")
    replace_identity("measurement", "clever", "version")
    done, checks = verify("--refit")
    assert done.code == 0
    assert "skipped: " in done.err
    assert "digits-alexnet: not the model that ran: it differs in weights" in done.err
    assert "dataset 'digits' is another version" in done.err
    assert "of 'clever' is installed, not other" in done.err
    agree, _, _, skipped = counts(checks["verdicts", "digits-alexnet"])
    assert agree == 0
    assert skipped > 0
    there = checks["verdicts", "digits-mobilenet_v1_025"]
    assert there["agree"] > 0
    assert checks["norms", "digits-mobilenet_v1_025"]["skipped"] == there["agree"]
    # No registry names the model: nothing can be said of it either.
    sql(kept_run, "UPDATE components SET name = 'gone' WHERE name = 'digits-mobilenet_v1_025'")
    done, _ = verify()
    assert done.code == 0
    assert "gone: no registry names the model" in done.err


class Fixed(nn.Module):
    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, images):
        return self.logits.expand(len(images), -1)


@pytest.mark.parametrize(
    ("logits", "stored", "tie"),
    [
        ((10.0, 9.9995, 0.0), 1, True),
        ((10.0, 9.99, 0.0), 1, False),
        ((10.0, 9.9995, 0.0), 2, False),
        ((10.0, 9.9995, 0.0), 7, False),
        ((10.0, 9.9995, 0.0), None, False),
    ],
)
def test_numerical_ties(logits, stored, tie):
    """The stored class is judged by how far its logit lies below the largest one."""
    classifier = Classifier(Fixed(*logits), Preprocessing((2, 2)), 3)
    model = PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=False)
    status = Status.BROKEN if stored == 1 else Status.ROBUST
    outcome = Outcome(
        image_id="a",
        label=0,
        target=1,
        verdict=Verdict(status, stored),
        norms=Norms(linf=0.25, l2=0.25 * 12**0.5, l1=3.0, l0=12),
    )
    claim = Claim(
        outcome,
        candidate=torch.full((3, 2, 2), 0.5),
        clean=torch.full((3, 2, 2), 0.25),
    )
    (found,) = check(model, Declaration(Norm.LINF, 0.25, 0.0), [claim])
    assert found.tie is tie
    assert "now robust (class 0)" in found.verdict
    assert found.norms is None


@pytest.mark.parametrize("cap", [True, False])
@pytest.mark.parametrize("classes", [1, 5])
def test_clever_again_is_the_first_reading(cap, classes):
    """Also where several classes' scores are capped, and where gradients are zero."""
    generator = np.random.default_rng(classes + cap)
    for flat in range(3):
        clever = Clever(
            norms=("l2", "linf"), batches=20, samples=4, radius_l2=0.5, radius_linf=1.5, cap=cap
        )
        others = list(generator.permutation(9)[:classes])
        margins = sorted(float(value) for value in generator.uniform(0, 4, classes))
        asked = []
        for norm in ("l2", "linf"):
            maxima = (1 + generator.weibull(3, (20, classes))).astype(np.float32)
            if flat == 1 or (flat == 2 and norm == "l2"):
                maxima[:, -1] = 0
            asked.append(Asked(norm, maxima, clever.radius(norm) if cap else None))
        counts = {"batches": clever.batches, "samples": clever.samples}
        first = score(asked, others, margins, counts)
        again = clever.again(first.numbers, first.arrays)
        assert again.numbers == pytest.approx(first.numbers, rel=1e-12)
        assert again.problem == first.problem
        for name, array in first.arrays.items():
            np.testing.assert_array_equal(again.arrays[name], array)
    assert clever.again({}, {}) is None


def test_a_repair_forgets_what_is_lost_and_a_run_makes_it_again(
    verify, kept_run, harness, tmp_path
):
    folder = Path(f"{kept_run}.artifacts")
    run = ["run", "--registry", "kept.yaml", "--suite", "kept", "--db", kept_run]
    query = "SELECT cell_key, image_id, status, predicted FROM samples ORDER BY 1, 2"
    before, names = sql(kept_run, query), sorted(file.name for file in folder.glob("*"))
    one, other, *_ = sorted(folder.glob("*.safetensors"))
    one.write_bytes(one.read_bytes()[:-1] + b"?")
    other.unlink()
    (folder / f"{'0' * 64}.safetensors").write_bytes(b"of a merge that was killed")
    (folder / "notes.txt").write_text("mine")
    done, _ = verify()
    assert "2 files are missing or damaged, 1 are orphaned" in done.err
    idle = harness(*run)
    assert "nothing computed" in idle.err
    assert "2 files of saved adversarial examples are missing or damaged" in idle.err
    repaired, checks = verify("--repair")
    assert "in 2 missing or damaged files" in repaired.err
    assert "removed 1 orphaned files" in repaired.err
    assert repaired.code == 0
    assert counts(checks["files", ""]) == (2, 0, 0, 0)
    again = harness(*run)
    assert again.code == 0, again.err
    assert "images computed" in again.err
    assert sql(kept_run, query) == before
    assert sorted(file.name for file in folder.glob("*")) == sorted([*names, "notes.txt"])
    assert "nothing to do" in harness(*run).err


def test_a_repair_makes_no_database(harness, tmp_path):
    done = harness("verify", "--repair", "--db", "none.db")
    assert (done.code, done.err.count("\n")) == (5, 1)
    assert not (tmp_path / "none.db").exists()
