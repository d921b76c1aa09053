"""Files for model repositories: `huggingface_hub` reads what the leaderboard shows."""

from __future__ import annotations

import json

import pytest
import yaml

ALEXNET, MOBILENET = "digits-alexnet", "digits-mobilenet_v1_025"
ASKED = (
    "models",
    "eval-results",
    "--benchmark",
    "acme/digits-robustness",
    "--task",
    "fgsm-0.1",
    "-o",
    "hub",
)


@pytest.fixture
def ran(harness, overlay):
    assert harness("run", "--registry", overlay, "--suite", "small", "--limit", 5).code == 0


def entries(path):
    hub = pytest.importorskip("huggingface_hub")
    if not hasattr(hub, "parse_eval_result_entries"):
        pytest.skip("this huggingface_hub does not know the format")
    return hub.parse_eval_result_entries(yaml.safe_load(path.read_text("utf-8")))


def test_the_hub_reads_what_the_leaderboard_shows(harness, ran, tmp_path):
    link = ("--source-url", "https://example.org/logs", "--source-name", "Logs")
    attack = ("--attack", "fgsm", "--goal", "untargeted")
    done = harness(*ASKED, *attack, *link)
    assert (done.code, done.out) == (0, ""), done.err
    table = json.loads(harness("leaderboard", *attack, "--intervals", "--format", "json").out)
    for row in table["rows"]:
        path = tmp_path / "hub" / row["model"] / ".eval_results" / "fgsm-0.1.yaml"
        (entry,) = entries(path)
        assert (entry.dataset_id, entry.task_id) == ("acme/digits-robustness", "fgsm-0.1")
        assert entry.value == row["robust_accuracy"]
        assert (entry.source_url, entry.source_name) == ("https://example.org/logs", "Logs")
        low, high = row["robust_accuracy_low"], row["robust_accuracy_high"]
        assert f"(95% CI {low:.4g} to {high:.4g})" in entry.notes
        assert "fgsm" in entry.notes
        assert "untargeted" in entry.notes
        # The very keys that are documented, in the order of the documentation's example.
        (plain,) = yaml.safe_load(path.read_text("utf-8"))
        assert list(plain) == ["dataset", "value", "notes", "source"]
        assert list(plain["dataset"]) == ["id", "task_id"]


def test_other_numbers(harness, ran, tmp_path):
    for value, goal in (("top1", "random"), ("success", "random"), (None, "random")):
        asked = ("--value", value) if value else ()
        done = harness(*ASKED, "--attack", "ifgsm", "--goal", goal, "--models", ALEXNET, *asked)
        assert done.code == 0, done.err
        (folder,) = (tmp_path / "hub").iterdir()
        assert folder.name == ALEXNET
        (entry,) = entries(folder / ".eval_results" / "fgsm-0.1.yaml")
        shown = json.loads(harness("leaderboard", "--attack", "ifgsm", "--format", "json").out)
        (row,) = [row for row in shown["rows"] if row["model"] == ALEXNET]
        assert entry.value == row[value or "distortion_mean"]


def test_bad_input(harness, ran, tmp_path):
    for wrong in (
        ("--benchmark", "digits"), ("--attack", "nothing"), ("--models", "nothing"),
        ("--source-name", "x"), ("--value", "frontier_distance"), ("-o", "small.yaml"),
    ):  # fmt: skip
        done = harness(*ASKED, *wrong)
        assert done.code == 2, (wrong, done.err)
    assert not (tmp_path / "hub").exists()
    assert harness(*ASKED, "--db", "no.db").code == 5
