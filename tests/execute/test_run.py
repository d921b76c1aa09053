"""``harness run``: what it computes, what it leaves alone, what it prints."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest


def counts(db) -> dict[str, int]:
    with sqlite3.connect(db) as connection:
        return dict(
            connection.execute(
                "SELECT cells.key, count(image_id) FROM cells LEFT JOIN outcomes"
                " ON outcomes.cell_id = cells.id WHERE attack_id IS NOT NULL GROUP BY cells.id"
            )
        )


def rows(db) -> list[tuple]:
    with sqlite3.connect(db) as connection:
        return connection.execute(
            "SELECT cell_key, image_id, status, target, linf FROM samples ORDER BY 1, 2"
        ).fetchall()


def test_a_second_run_finds_nothing_to_do(harness, overlay):
    first = harness("run", "--registry", overlay, "--suite", "small")
    assert first.code == 0, first.err
    assert first.out == ""
    before = rows("harness.db")
    assert len(before) == 2 * 4 * 20
    second = harness("run", "--registry", overlay, "--suite", "small")
    assert second.code == 0
    assert "nothing to do" in second.err
    assert rows("harness.db") == before


def test_a_larger_limit_computes_only_what_is_new(harness, overlay):
    run = ("run", "--registry", overlay, "--suite", "small", "--models", "digits-alexnet")
    assert harness(*run, "--limit", 6).code == 0
    small = rows("harness.db")
    assert set(counts("harness.db").values()) == {6}
    grown = harness(*run, "--limit", 15)
    # Four attack cells and the clean one, nine images each.
    assert f"{5 * 9} images computed" in grown.err
    assert set(counts("harness.db").values()) == {15}
    assert set(small) <= set(rows("harness.db"))


def test_a_model_outside_the_suite_can_be_named(harness, overlay):
    done = harness("run", "--registry", overlay, "--suite", "small", "--models",
                   "digits-vgg16,digits-alex*", "--attacks", "fgsm", "--limit", 2)  # fmt: skip
    assert done.code == 0, done.err
    board = json.loads(harness("leaderboard", "--attack", "fgsm*", "--format", "json").out)["rows"]
    assert {row["model"]: row["complete"] for row in board} == {
        "digits-alexnet": True, "digits-vgg16": True, "digits-mobilenet_v1_025": False
    }  # fmt: skip


def test_selections_narrow_the_suite(harness, overlay):
    done = harness(
        "run", "--registry", overlay, "--suite", "small", "--models", "digits-mobile*",
        "--attacks", "ifgsm*", "--goals", "least-likely", "--limit", 3,
    )  # fmt: skip
    assert done.code == 0, done.err
    with sqlite3.connect("harness.db") as connection:
        cells = connection.execute("SELECT DISTINCT model, attack, goal FROM samples").fetchall()
    assert cells == [("digits-mobilenet_v1_025", "ifgsm", "least-likely")]


def test_targets_are_the_same_for_every_model_and_change_with_the_seed(harness, overlay):
    run = ("run", "--registry", overlay, "--suite", "small", "--attacks", "fgsm*",
           "--goals", "random", "--limit", 12)  # fmt: skip
    assert harness(*run).code == 0
    assert harness(*run, "--seed", 1).code == 0
    with sqlite3.connect("harness.db") as connection:
        found = connection.execute(
            "SELECT seed, image_id, count(DISTINCT target), min(target) FROM samples"
            " WHERE target IS NOT NULL GROUP BY 1, 2"
        ).fetchall()
        labels = connection.execute("SELECT count(*) FROM samples WHERE target = label").fetchone()
    assert all(distinct == 1 for _, _, distinct, _ in found)
    assert labels == (0,)
    by_seed = [{image: target for s, image, _, target in found if s == seed} for seed in (0, 1)]
    shared = by_seed[0].keys() & by_seed[1].keys()
    assert any(by_seed[0][image] != by_seed[1][image] for image in shared)


def test_batch_size_is_not_identity(harness, overlay):
    run = ("run", "--registry", overlay, "--suite", "small", "--models", "digits-alexnet")
    assert harness(*run, "--batch-size", 64).code == 0
    assert "nothing to do" in harness(*run, "--batch-size", 7).err
    assert harness(*run, "--batch-size", 7, "--db", "other.db").code == 0
    pairs = list(zip(rows("harness.db"), rows("other.db"), strict=True))
    assert all(one[:4] == other[:4] for one, other in pairs)
    sizes = [(one[4], other[4]) for one, other in pairs if one[4] is not None]
    close = [abs(one - other) <= 1e-4 * one for one, other in sizes]
    assert sum(close) >= 0.99 * len(close)


def test_fresh_forgets_and_dry_run_only_looks(harness, overlay):
    run = ("run", "--registry", overlay, "--suite", "small", "--limit", 4)
    dry = harness(*run, "--dry-run")
    assert dry.code == 0
    assert "40 pending" in dry.out
    assert harness("status").code == 5, "a dry run makes no database"
    assert harness(*run).code == 0
    before = rows("harness.db")
    assert "0 pending" in harness(*run, "--dry-run").out
    assert "40 pending" in harness(*run, "--dry-run", "--fresh").out
    again = harness(*run, "--fresh")
    assert "40 images computed" in again.err
    assert rows("harness.db") == before


def test_plan_as_json_counts_what_is_stored(harness, overlay):
    plan = ("plan", "--registry", overlay, "--suite", "small", "--limit", 4, "--format", "json")
    listed = json.loads(harness(*plan).out)["attacks"]
    assert [row["goal"] for row in listed] == [
        "–", "untargeted", "random", "random", "least-likely"
    ]  # fmt: skip
    assert all(row["pending"] == 8 for row in listed)
    assert harness("run", "--registry", overlay, "--suite", "small", "--limit", 3).code == 0
    assert all(row["pending"] == 2 for row in json.loads(harness(*plan).out)["attacks"])


def test_clean_wrong_images_are_excluded_not_attacked(harness, overlay):
    assert harness("run", "--registry", overlay, "--suite", "small").code == 0
    with sqlite3.connect("harness.db") as connection:
        joined = connection.execute(
            "SELECT samples.status = 'clean_wrong', correct, forwards FROM samples"
            " JOIN clean_predictions USING (model, dataset, image_id)"
        ).fetchall()
    assert joined
    assert all(wrong != correct for wrong, correct, _ in joined)
    assert all(forwards == 0 for wrong, _, forwards in joined if wrong)


def test_goals_take_their_targets_from_the_clean_logits(harness, tmp_path):
    (tmp_path / "goals.yaml").write_text(
        "suites:\n  goals:\n    dataset: digits\n    models: [digits-alexnet]\n    attacks:\n"
        "      - {attack: fgsm, goals: [least-likely, second-likely], parameters: {epsilon: 0.2}}\n"
        "    metrics: [success]\n"
    )
    run = ("run", "--registry", "goals.yaml", "--suite", "goals", "--limit", 30)
    assert harness(*run).code == 0
    with sqlite3.connect("harness.db") as connection:
        joined = connection.execute(
            "SELECT goal, target, least, second, samples.predicted, status FROM samples"
            " JOIN clean_predictions USING (model, image_id) WHERE status != 'clean_wrong'"
        ).fetchall()
    assert len(joined) >= 50
    for goal, target, least, second, predicted, status in joined:
        assert target == (least if goal == "least-likely" else second)
        assert (status == "broken") == (predicted == target)


@pytest.mark.parametrize(
    "command",
    [["--help"], ["leaderboard", "--help"], ["run", "--help"], ["models", "list"],
     ["attacks", "list"], ["plugins", "list"], ["suites", "list"], ["metrics", "list"],
     ["datasets", "list"]],
)  # fmt: skip
def test_light_commands_load_no_heavy_library(command, tmp_path):
    program = (
        "import sys\nfrom harness.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as e:\n    code = e.code\n"
        "heavy = {'torch', 'onnxruntime', 'timm', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_python_dash_m_and_the_console_script_are_the_same(tmp_path):
    one = subprocess.run(
        [sys.executable, "-m", "harness", "--version"], capture_output=True, text=True
    )
    assert one.stdout.startswith("harness, version ")


def test_gradients_that_are_zero_are_said_and_stored(harness, overlay, monkeypatch):
    """A network behind a step function, a known defence: every image robust, for no good reason."""
    from torch import nn

    from harness_digits.loader import DigitsLoader

    class Stepped(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, inputs):
            return self.network((inputs * 2).round() / 2)

    load = DigitsLoader.load

    def stepped(self, spec, device):
        found = load(self, spec, device)
        return replace(found, module=Stepped(found.module))

    run = ("run", "--registry", overlay, "--suite", "small", "--limit", 12)
    assert "gradient" not in harness(*run, "--models", "digits-mobilenet_v1_025").err
    monkeypatch.setattr(DigitsLoader, "load", stepped)
    done = harness(*run, "--models", "digits-alexnet")
    assert done.code == 0, done.err
    with sqlite3.connect("harness.db") as connection:
        masked, images = connection.execute(
            "SELECT count(DISTINCT value), count(DISTINCT samples.image_id) FROM samples"
            " LEFT JOIN cells ON cells.key = cell_key"
            " LEFT JOIN measurements ON measurements.cell_id = cells.id AND name = 'zero_gradient'"
            " WHERE model = 'digits-alexnet' AND status IN ('robust', 'broken')"
        ).fetchone()
    assert masked == 1
    assert (
        f"note: digits-alexnet: {images} of {images} images: the gradient is exactly zero"
        in done.err
    )


def test_a_picture_is_decoded_once_for_all_goals(harness, overlay, tmp_path, monkeypatch):
    """Whatever the cache holds: here, nothing. Once for the prediction and once for each attack."""
    from harness.execute import images
    from harness_digits.dataset import DigitsDataset

    monkeypatch.setattr(images, "CACHE_BYTES", 0)
    decoded = []
    read = DigitsDataset.read

    def counted(self, sample, size, cut=None):
        decoded.append(sample.id)
        return read(self, sample, size, cut)

    monkeypatch.setattr(DigitsDataset, "read", counted)
    done = harness(
        "run",
        "--registry",
        overlay,
        "--suite",
        "small",
        "--models",
        "digits-alexnet",
        "--db",
        "d.db",
    )
    assert done.code == 0, done.err
    tried = 10  # the reader and the model are tried on a few pictures first
    assert 3 * 10 < len(decoded) <= 3 * 20 + tried  # it was 5 * 20


@pytest.mark.parametrize("workers", [1, 2])
def test_leaderboard_rows_while_it_goes(harness, overlay, workers):
    def run():
        options = ("--limit", 6, "--devices", f"cpu:{workers}", "--progress", "json")
        done = harness("run", "--registry", overlay, "--suite", "small", *options)
        return [json.loads(line) for line in done.err.splitlines()]

    events = run()
    rows = {event["model"]: event for event in events if event["event"] == "model"}
    board = json.loads(harness("leaderboard", "--format", "json").out)["rows"]
    assert len(rows) == len(board) == 2
    for final in board:
        row = rows[final["model"]]
        for key in ("top1", "success", "attacked", "images", "complete", "attack", "goal", "norm"):
            assert row[key] == final[key], key
        assert row["median"] == final["distortion_median_all"]
        assert row["median_infinite"] == final["distortion_median_all_infinite"]
    kinds = [event["event"] for event in events]
    assert workers > 1 or "cell" in kinds[kinds.index("model") :], "the first while more is to do"
    assert "model" not in [event["event"] for event in run()], "nothing was to do"
