"""Real photographs and a real ONNX model, the whole way to the leaderboard."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MINI = Path(os.environ.get("HARNESS_IMAGENET_MINI", ROOT.parent / "shared" / "imagenet-mini"))

pytestmark = pytest.mark.skipif(not MINI.is_dir(), reason=f"no imagenet-mini at {MINI}")


def test_the_readmes_command_gives_a_leaderboard(harness):
    run = (
        "run", "--registry", ROOT / "examples" / "imagenet-mini.yaml",
        "--suite", "imagenet-mini-short",
        "--data", f"imagenet={MINI / 'images'}", "--models", "mobilenet_v1_025*", "--limit", 4,
    )  # fmt: skip
    done = harness(*run)
    assert done.code == 0, done.err
    shown = harness("leaderboard", "--format", "json")
    assert shown.code == 0, shown.err
    board = {row["model"]: row for row in json.loads(shown.out)["rows"]}
    row = board["mobilenet_v1_025_128"]
    assert row["complete"]
    assert row["family"] == "MobileNet"
    assert row["images"] == 4
    assert row["success"] == 1
    assert 0 < row["distortion_mean"] < 0.1
    assert len(board) == 7
    assert not board["mobilenet_v2_100_224"]["complete"]
    assert "nothing to do" in harness(*run).err
