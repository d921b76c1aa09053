"""``harness plan``: what a run costs, measured once and kept."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

OVERLAY = """\
models:
  lost:
    loader: onnx
    family: Lost
    classes: 10
    preprocessing: {size: [32, 32]}
    weights: {file: nowhere.onnx}
suites:
  priced:
    summary: two models, one of them nowhere
    dataset: digits
    models: [digits-mobilenet_v1_025, lost]
    images: 20
    accuracy_images: 30
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}}
      - {attack: ifgsm, goals: [random], parameters: {steps: 4, attempts: 5}, keep: true}
    metrics: [success]
"""

PASSES = 30 + 20 * (1 + 1) + 20 * (21 + 1)
"""Of one model: clean predictions, FGSM and the search, each with verdicts."""

GRADIENTS = 20 * 1 + 20 * 16
"""Those of them with a backward."""


@pytest.fixture
def priced(harness, tmp_path, monkeypatch):
    monkeypatch.delenv("HARNESS_NO_CALIBRATION")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tmp_path.joinpath("priced.yaml").write_text(OVERLAY)

    def plan(*options: str):
        return harness("plan", "--registry", "priced.yaml", "--suite", "priced", *options)

    return plan


def test_passes_flops_and_bytes(priced):
    done = priced("--format", "json")
    assert done.code == 0, done.err
    assert "measuring passes of digits-mobilenet_v1_025 (1 of 1)" in done.err
    whole = json.loads(done.out)
    model, lost = whole["models"]
    assert (model["forwards"], model["backwards"]) == (30 + 20 + 20 * 21, 20 + 20 * 16)
    forward, gradient = model["forward_flops"], model["gradient_flops"]
    assert 1.5 * forward < gradient < 3 * forward
    alone = PASSES - GRADIENTS
    assert model["flops"] == alone * forward + GRADIENTS * gradient
    assert model["seconds"] == pytest.approx(
        alone * model["forward_seconds"] + GRADIENTS * model["gradient_seconds"]
    )
    assert model["kept_bytes"] == 20 * 3 * 32 * 32 * 4
    assert (lost["forwards"], lost["flops"], lost["seconds"]) == (model["forwards"], None, None)
    assert "builds nothing without weights" in whole["unknown_models"]["lost"]
    assert whole["total"]["without_flops"] == ["lost"]
    # A sum over one model of two would look like the price of both models' passes.
    assert (whole["total"]["flops"], whole["total"]["seconds"]) == (None, None)
    assert whole["total"]["forwards"] == 2 * model["forwards"]
    assert whole["attacks"][0]["attack"] == "clean prediction"
    assert sum(row["forwards"] for row in whole["attacks"]) == whole["total"]["forwards"]
    assert whole["device"].startswith("cpu")


def test_a_table_says_what_it_leaves_out(priced):
    out = priced().out
    assert (
        "at most 940 forward and 680 backward passes; 492 kB of saved adversarial examples" in out
    )
    assert "no total of FLOPs and time: 1 model (the loader builds nothing" in out
    markdown = priced("--format", "md").out
    assert markdown.count("|---|") == 2


def test_what_is_stored_costs_nothing(priced, harness):
    options = ("--models", "digits-*")
    run = ("run", "--registry", "priced.yaml", "--suite", "priced", *options)
    dry = harness(*run, "--dry-run")
    assert "measuring" not in dry.err
    assert "not measured yet" in dry.out
    assert harness(*run).code == 0
    done = priced(*options)
    assert "measuring" not in done.err
    assert "0 pending" in done.out
    assert "at most" not in done.out
    (model,) = json.loads(priced(*options, "--format", "json").out)["models"]
    assert (model["pending"], model["forwards"], model["flops"]) == (0, 0, 0)


def test_the_second_time_needs_no_torch(priced, tmp_path):
    options = ["--models", "digits-*", "--format", "json"]
    first = json.loads(priced(*options).out)
    assert first["total"]["seconds"] > 0
    program = (
        "import sys\nfrom harness.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print({'torch', 'timm', 'onnxruntime'} & set(sys.modules), file=sys.stderr)\n"
    )
    again = ["plan", "--registry", "priced.yaml", "--suite", "priced", *options]
    done = subprocess.run(
        [sys.executable, "-c", program, *again], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.splitlines()[-1] == "set()"
    assert json.loads(done.stdout) == first
    # On another machine the FLOPs are the same, the seconds are not known.
    path = tmp_path / "cache" / "frontier-harness" / "figures.json"
    book = json.loads(path.read_text())
    path.write_text(json.dumps({**book, "places": {}}))
    other = json.loads(priced(*options, "--no-calibration").out)
    assert other["total"]["flops"] == first["total"]["flops"]
    assert (other["total"]["seconds"], other["device"]) == (None, None)
    assert other["total"]["without_seconds"] == ["digits-mobilenet_v1_025"]


def test_without_calibration_nothing_is_measured_or_made(priced, tmp_path):
    done = priced("--no-calibration")
    assert done.code == 0
    assert "measuring" not in done.err
    assert "time: 1 model (not measured yet): digits-mobilenet_v1_025" in done.out
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_said_and_no_hindrance(priced, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    done = priced("--models", "digits-*", "--format", "json")
    assert done.code == 0
    assert "pass costs cannot be kept" in done.err
    assert json.loads(done.out)["total"]["flops"] > 0


def test_a_device_that_does_not_exist(priced):
    done = priced("--devices", "tpu")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert "tpu" in done.err


def test_the_time_on_several_devices_is_predicted(priced):
    only = ("--models", "digits-mobilenet_v1_025")
    done = priced(*only, "--devices", "3")
    assert done.code == 0, done.err
    assert "on 3 such devices about " in done.out
    whole = json.loads(priced(*only, "--devices", "3", "--format", "json").out)
    found, alone = whole["makespan"], whole["total"]["seconds"]
    assert found["devices"] == 3
    assert found["bound_seconds"] >= alone / 3
    assert found["seconds"] > found["bound_seconds"], "the model is loaded"
    assert found["efficiency"] == pytest.approx(alone / 3 / found["seconds"])
    assert 1 <= found["loads"] <= 3


def test_processes_share_the_cores(priced):
    options = ("--models", "digits-mobilenet_v1_025", "--format", "json", "--devices")
    shared = json.loads(priced(*options, "cpu:4").out)
    alone = json.loads(priced(*options, "cpu").out)
    assert shared["makespan"]["seconds"] > alone["total"]["seconds"]
    assert alone["makespan"] is None, "nothing was said of several"


def test_without_all_times_nothing_is_predicted(priced):
    done = priced("--devices", "2", "--format", "json")
    assert json.loads(done.out)["makespan"] is None
    assert "such devices" not in done.err


@pytest.mark.parametrize("devices", ["0", "-1", "2.5", "gpu"])
def test_no_choice_of_devices(priced, devices):
    done = priced("--devices", devices)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "--devices" in done.err
