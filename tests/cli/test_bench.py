"""``harness bench``: speeds with random weights, and models that cannot be had."""

from __future__ import annotations

import csv
import io
import json

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FILE = "nowhere.onnx"
OVERLAY = """\
models:
  lost:
    loader: onnx
    family: Lost
    classes: 10
    preprocessing: &pixels {size: [32, 32]}
    weights: {file: nowhere.onnx}
  second:
    family: Second
    classes: 10
    preprocessing: *pixels
    sources:
      graph: {loader: onnx, weights: {file: nowhere.onnx}, fidelity: same_weights}
      net: {loader: digits, architecture: digits-mobilenet_v1_025, fidelity: nearest}
  wrong:
    loader: digits
    architecture: digits-alexnet
    family: Wrong
    classes: 7
    preprocessing: *pixels
suites:
  fast:
    summary: three attacks, one of them twice
    dataset: digits
    models: [digits-mobilenet_v1_025, second]
    images: 20
    accuracy_images: 20
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}}
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.2}}
      - {attack: cw, goals: [random], parameters: {iterations: 20, search_steps: 2}}
      - {attack: ead, goals: [random], parameters: {iterations: 20, search_steps: 2}}
      - {attack: unheard, goals: [random]}
    metrics: [success]
"""
SPEEDS = ("forward", "gradient", "fgsm_steps", "cw_steps", "ead_steps")


@pytest.fixture
def bench(harness, tmp_path):
    tmp_path.joinpath("fast.yaml").write_text(OVERLAY)

    def run(*options: object):
        return harness(
            "bench", "--registry", "fast.yaml", "--suite", "fast", "--seconds", "0.01", *options
        )

    return run


def test_speeds_of_models_without_weights_or_data(bench, tmp_path):
    done = bench("--batch-size", 4, "--format", "json")
    assert done.code == 0, done.err
    assert "measuring second (2 of 2)" in done.err
    own, second = json.loads(done.out)
    for row in (own, second):
        assert all(row[name] > 0 for name in SPEEDS)
        assert row["memory"] > 10_000_000
        assert (row["weights"], row["size"], row["batch_size"]) == ("random", "32x32", 4)
        assert (row["parameters"], row["problem"]) == (4520, None)
        assert row["torch"]
        assert row["device"].startswith("cpu")
    assert (own["source"], second["source"], second["loader"]) == (None, "net", "digits")
    assert [file.name for file in tmp_path.iterdir()] == ["fast.yaml"], "nothing is kept"


def test_models_that_no_source_builds_are_listed(bench):
    done = bench("--models", "lost,digits-mobile*_025")
    assert done.code == 0
    assert "lost: not measured, this loader builds nothing without weights" in done.out
    assert "digits-mobilenet_v1_025" in done.out
    alone = bench("--models", "lost,wrong", "--format", "csv")
    assert alone.code == 3
    assert "wrong: not measured, has 10 classes, not 7" in alone.err
    rows = list(csv.DictReader(io.StringIO(alone.out)))
    assert [row["model"] for row in rows] == ["lost", "wrong"]
    assert all(row["problem"] and not row["forward"] for row in rows)


def test_weights_that_are_here_serve_where_nothing_else_does(bench, tmp_path):
    weights = numpy.random.default_rng(0).normal(size=(3 * 32 * 32, 10)).astype(numpy.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["in"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["logits"]),
        ],
        "lost",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "matrix")],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / FILE)
    done = bench("--models", "lost,second", "--format", "json")
    assert done.code == 0, done.err
    lost, second = json.loads(done.out)
    assert (lost["weights"], lost["loader"]) == ("loaded", "onnx")
    assert all(lost[name] > 0 for name in SPEEDS)
    assert (second["weights"], second["source"]) == ("random", "net")
    assert "with their own weights, because no source builds them without: lost" in done.err


def test_a_model_that_no_registry_names(bench):
    done = bench("--models", "mobilenet_v1:mobilenet_v1_0.75_192", "--batch-size", 1)
    assert done.code == 0, done.err
    assert "mobilenet_v1_0.75_192" in done.out
    assert "192x192" in done.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "nosuch"), "nosuch"),
        (("--suite", "fsat"), "did you mean 'fast'"),
        (("--batch-size", "0"), "--batch-size"),
        (("--seconds", "0"), "--seconds"),
        (("--numerics", "fp16"), "--numerics"),
        (("--numerics", "tf32", "--devices", "cpu"), "no TF32"),
        (("--devices", "cuda:99"), "cuda:99"),
        (("--devices", "cpu:2"), "one device, not on cpu:2"),
    ],
)
def test_bad_options_end_in_one_line(bench, options, said):
    done = bench(*options)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert said in done.err


def test_numerics_are_put_back(bench):
    import torch

    before = torch.get_float32_matmul_precision()
    done = bench("--models", "second", "--batch-size", 1, "--numerics", "bf16")
    assert done.code == 0, done.err
    assert "gradients in bf16" in done.out
    assert not torch.is_autocast_enabled("cpu")
    assert torch.get_float32_matmul_precision() in (before, "highest")
