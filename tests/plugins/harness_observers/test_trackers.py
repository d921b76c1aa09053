"""MLflow and Weights & Biases: a real run in files, without network, read by their own code."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest

from harness.errors import StoreError

ALEXNET, MOBILENET = "digits-alexnet", "digits-mobilenet_v1_025"
RUN = ("run", "--suite", "small", "--limit", 3, "--summary", "s.json")


def wanted(tmp_path):
    """The summary, and some numbers under the names that trackers get."""
    summary = json.loads((tmp_path / "s.json").read_text())
    rows = {
        f"{row['model']}/{row['attack'].replace(' ', '_').replace('=', '_')}/{row['goal']}": row
        for table in summary["leaderboards"]
        for row in table["rows"]
    }
    numbers = {f"{name}/success": row["success"] for name, row in rows.items()}
    numbers |= {
        f"{name}/robust_accuracy_low": row["robust_accuracy_low"]
        for name, row in rows.items()
        if row["robust_accuracy"] is not None
    }
    numbers |= {f"{row['model']}/top1": row["top1"] for row in rows.values()}
    assert len(numbers) == 8 + 4 + 2
    return summary, numbers


def test_mlflow_in_a_folder(harness, overlay, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    asked = "mlflow:uri=tracked:experiment=digits:name=mine"
    done = harness(*RUN, "--registry", overlay, "--observe", asked)
    assert done.code == 0, done.err
    assert "nothing more" not in done.err
    summary, numbers = wanted(tmp_path)
    client = mlflow.MlflowClient(tracking_uri=str(tmp_path / "tracked"))
    (experiment,) = client.search_experiments(filter_string="name = 'digits'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert {name: run.data.metrics.get(name) for name in numbers} == numbers
    assert run.data.metrics["images/broken"] == summary["counts"]["broken"]
    assert run.data.params["suite"] == "small"
    assert run.data.params["models"] == f"{ALEXNET}, {MOBILENET}"
    (artifact,) = client.list_artifacts(run.info.run_id)
    path = client.download_artifacts(run.info.run_id, artifact.path)
    assert json.loads(Path(path).read_text()) == summary


def test_mlflow_of_a_run_that_failed(harness, overlay, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    from harness.execute.driver import driver

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:///nowhere/at/all")

    def broken(self):
        raise StoreError("the disk is full")

    monkeypatch.setattr(driver.Driver, "drive", broken)
    done = harness(*RUN, "--registry", overlay, "--observe", "mlflow:uri=tracked")
    assert done.code == 5, done.err
    client = mlflow.MlflowClient(tracking_uri=str(tmp_path / "tracked"))
    (experiment,) = client.search_experiments(filter_string="name = 'frontier-harness'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("small 1", "FAILED")


def records(path):
    """The records of an offline run's file: protobufs in the format of LevelDB's logs.

    After seven bytes of W&B's own come blocks of 32 KiB, with chunks of a checksum, a length, a
    kind (1 whole, 2 first, 3 middle, 4 last) and data.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def test_weights_and_biases_offline(harness, overlay, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    done = harness(
        *RUN, "--registry", overlay, "--observe", f"wandb:project=digits:folder={tmp_path}"
    )
    assert done.code == 0, done.err
    assert (done.out, "nothing more" in done.err) == ("", False), done.err
    assert not [each for each in (sys.exit, sys.excepthook) if "wandb" in (each.__module__ or "")]
    _, numbers = wanted(tmp_path)
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    found = list(records(path))
    summary = {
        item.key or "/".join(item.nested_key): json.loads(item.value_json)
        for record in found
        for item in record.summary.update
    }
    assert {name: summary.get(name) for name in numbers} == numbers
    assert summary["status"] == "done"
    (run,) = [record.run for record in found if record.HasField("run")]
    assert (run.project, run.display_name) == ("digits", "small 1")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["suite"] == "small"
    (exit_,) = [record.exit for record in found if record.HasField("exit")]
    assert exit_.exit_code == 0


@pytest.mark.parametrize(("name", "extra"), [("mlflow", "mlflow"), ("wandb", "wandb")])
def test_a_tracker_that_is_not_installed(harness, overlay, monkeypatch, name, extra):
    monkeypatch.setitem(sys.modules, name, None)
    done = harness(*RUN, "--registry", overlay, "--observe", name)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert f"frontier-harness[{extra}]" in done.err


def test_listing_and_showing_import_neither(harness):
    before = {name for name in ("mlflow", "wandb") if name in sys.modules}
    assert "mlflow" in harness("observers", "list").out
    assert "experiment" in harness("observers", "show", "mlflow").out
    assert "project" in harness("observers", "show", "wandb").out
    assert {name for name in ("mlflow", "wandb") if name in sys.modules} == before
