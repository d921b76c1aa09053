"""The suite ``truth``: its files, its measurement, and findings on planted and on real results."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

import harness
from harness.api import (
    Attacked,
    Evidence,
    ModelFacts,
    ModelSpec,
    OutcomeRow,
    Preprocessing,
    ScoreOutcomes,
    Status,
    SuiteAttack,
    TrialOutcomes,
)
from harness.registry import load
from harness.testing import truth
from harness.testing.fakes import jobs_for, measure_all, pixel_model
from harness_truth.findings import AttacksAbove, BoundsBelow, Optimality
from harness_truth.loader import NETWORKS, TruthLoader
from harness_truth.make import IMAGES, write
from harness_truth.measurement import Truth


class Nobody:
    """Workers that are never asked."""


def test_the_files_are_what_the_command_writes(tmp_path):
    write(tmp_path / "networks", tmp_path / "images.npz")
    written = sorted((tmp_path / "networks").iterdir())
    assert [path.name for path in written] == sorted(path.name for path in NETWORKS.iterdir())
    for path in written:
        assert path.read_bytes() == (NETWORKS / path.name).read_bytes(), path.name
    with np.load(IMAGES) as shipped, np.load(tmp_path / "images.npz") as again:
        for name in ("images", "labels"):
            assert np.array_equal(shipped[name], again[name])
        assert np.array_equal(shipped["images"] / np.float32(255), truth.images()[0])


def test_the_registry_has_all_networks():
    models = {name: each for name, each in load().models.items() if name.startswith("truth-")}
    assert {name.removeprefix("truth-") for name in models} == set(truth.networks())
    for name, model in models.items():
        file = NETWORKS / f"{name.removeprefix('truth-')}.safetensors"
        assert model.weights.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_loader_gives_the_network():
    spec = ModelSpec("mine", "relu", None, Preprocessing((4, 4)), 3, {})
    pixels = torch.tensor(truth.images()[0])
    logits = TruthLoader().load(spec, "cpu").module(pixels).numpy()
    flat = pixels.flatten(1).double().numpy()
    np.testing.assert_allclose(logits, truth.networks()["relu"].logits(flat), atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "fold", "masked-wavy"])
def test_the_measurement_recognises_its_network(name):
    network = truth.networks()[name]
    model = pixel_model(network.module, classes=3, size=(4, 4))
    images = torch.tensor(truth.images()[0][:2])
    jobs = jobs_for(model, images, [None, 2 if truth.images()[1][1] != 2 else 0])
    for job, found in zip(
        jobs, measure_all(Truth(norms=("l2",)), model, jobs, Nobody()), strict=True
    ):
        known = network.distance(job.image, job.label, "l2", job.target)
        assert found.numbers == {"l2.distance": pytest.approx(known, abs=1e-9)}


def test_another_affine_model_is_measured_by_its_logits():
    torch.manual_seed(0)
    layer = nn.Linear(48, 4)
    model = pixel_model(nn.Sequential(nn.Flatten(), layer), classes=4, size=(4, 4))
    own = truth.Linear(layer.weight.detach(), layer.bias.detach())
    jobs = jobs_for(model, torch.tensor(truth.images()[0][:1]), [None])
    (found,) = measure_all(Truth(), model, jobs, Nobody())
    for norm in ("linf", "l2", "l1", "l0"):
        known = own.distance(jobs[0].image, jobs[0].label, norm)
        assert found.numbers[f"{norm}.distance"] == pytest.approx(known, rel=1e-4)


def test_another_model_has_no_known_distance():
    torch.manual_seed(0)
    other = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 3))
    model = pixel_model(other, classes=3, size=(4, 4))
    jobs = jobs_for(model, torch.tensor(truth.images()[0][:1]), [None])
    (found,) = measure_all(Truth(), model, jobs, Nobody())
    assert found.status is Status.INVALID
    assert "no network whose distances are known" in found.error


def evidence(found, *, bound=(), budget=None, family="ReLU"):
    """One model whose smallest distance is 1 everywhere, and an attack that ``found`` those."""
    rows = {
        image: OutcomeRow(
            Status.BROKEN if math.isfinite(size) else Status.ROBUST,
            False,
            *([size if math.isfinite(size) else None] * 4),
            *(None, 1, 1, None),
        )
        for image, size in enumerate(found)
    }
    attacked = Attacked("l2", Counter(row.status for row in rows.values()), 0, rows)
    known = dict.fromkeys(range(max(len(found), len(bound))), 1.0)
    return Evidence(
        models={"net": ModelFacts("net", family)},
        trials=(
            TrialOutcomes(
                SuiteAttack("some", "some steps=5", "l2", budget, ("untargeted",)),
                "untargeted",
                {"net": attacked},
                {"net": dict.fromkeys(rows, True)},
            ),
        ),
        matrices=(),
        scores=(
            ScoreOutcomes("truth", "truth", "l2.distance", "untargeted", {"net": known}),
            ScoreOutcomes(
                *("bound", "bound", "l2.score", "untargeted"), {"net": dict(enumerate(bound))}
            ),
        ),
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([1.0] * 60, "holds"),
        ([1.02] * 60, "does not hold"),
        ([1.0] * 30 + [math.inf] * 30, "does not hold"),
        ([1.0] * 5, "not enough data"),
        ([1.0] * 11 + [1.5], "not enough data"),
    ],
)
def test_optimality_counts_images_within_a_hundredth(found, verdict):
    (conclusion,) = Optimality().check(evidence(found))
    assert conclusion.verdict == verdict
    assert conclusion.of == "some-steps-5-untargeted"


def test_masked_gradients_are_shown_and_not_held_against_an_attack():
    (conclusion,) = Optimality().check(evidence([math.inf] * 60, family="Masked"))
    assert conclusion.verdict == "not enough data"
    assert conclusion.details == ("net: median inf, 0 of 60 within 1%, 60 failed",)


def test_a_budget_has_to_break_what_is_within_it():
    broken = [1.9] * 60
    assert Optimality().check(evidence(broken, budget=2.0))[0].verdict == "holds"
    robust = [math.inf] * 60
    assert Optimality().check(evidence(robust, budget=2.0))[0].verdict == "does not hold"
    assert Optimality().check(evidence(robust, budget=0.5))[0].verdict == "not enough data"


def test_one_distance_below_the_known_one_is_too_many():
    assert AttacksAbove().check(evidence([1.0] * 20)).verdict == "holds"
    assert AttacksAbove().check(evidence([1.0] * 19 + [1 - 1e-6])).verdict == "holds"
    found = AttacksAbove().check(evidence([1.0] * 19 + [0.99]))
    assert found.verdict == "does not hold"
    assert "1 of 20 below" in found.figure
    assert AttacksAbove().check(evidence([1.0] * 19 + [0.0])).verdict == "does not hold"


def test_the_rate_of_bounds_above_the_distance():
    (sound,) = BoundsBelow().check(evidence([1.0], bound=[0.5] * 20))
    assert sound.verdict == "holds"
    (unsound,) = BoundsBelow().check(evidence([1.0], bound=[0.5] * 15 + [1.2] * 5))
    assert unsound.verdict == "does not hold"
    assert "5 of 20 above" in unsound.figure
    assert unsound.interval[0] < 0.25 < unsound.interval[1]


def test_where_no_distance_is_known_there_is_no_row():
    nothing = Evidence(models={}, trials=(), matrices=())
    for finding in (Optimality(), AttacksAbove(), BoundsBelow()):
        assert finding.check(nothing) == []


def test_a_run_of_the_suite(tmp_path):
    """Three networks and two attacks of it: FAB finds what is known, and nothing is below it."""
    db = tmp_path / "truth.db"
    done = harness.run(
        "truth",
        db=db,
        models=["truth-linear", "truth-fold", "truth-max-of-affine"],
        attacks=["fab-l2", "deepfool-linf", "truth"],
        progress="plain",
    )
    assert not done.failures
    rows = {row["name"]: row for row in harness.results(db).suite("truth").findings()}
    assert rows["attacks-above-truth"]["verdict"] == "holds"
    assert rows["optimality-to-truth-fab-l2-iterations-30-untargeted"]["verdict"] != "does not hold"
