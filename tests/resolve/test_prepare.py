"""From a request to a plan: the one way that the command line and Python share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.plugins import installed
from harness.registry import load
from harness.resolve import weights
from harness.resolve.inventory import RequirementsMissing
from harness.resolve.prepare import draft, prepare
from harness.resolve.request import Request

LOST = """\
models:
  lost:
    loader: onnx
    family: Lost
    classes: 10
    preprocessing: {size: [32, 32]}
    weights: {file: nowhere.onnx}
suites:
  half:
    dataset: digits
    models: [digits-alexnet, lost]
    images: 4
    accuracy_images: 4
    attacks: [{attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}]
    metrics: [success]
"""


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    path = tmp_path / "lost.yaml"
    path.write_text(LOST)
    return path


def test_weights_are_located_once_for_each_model(overlay, monkeypatch):
    located = []

    def counted(entry, loader):
        located.append(entry.name)
        return locate(entry, loader)

    locate = weights.locate
    for module in ("inventory", "weights"):
        monkeypatch.setattr(f"harness.resolve.{module}.locate", counted)
    resolved = prepare(Request(suite="small"), load([overlay]), installed())
    assert located == ["digits-alexnet", "digits-mobilenet_v1_025"]
    assert sorted(resolved.models) == located
    assert all(spec.weights.is_file() for _, spec in resolved.models.values())


def test_what_is_missing_is_in_the_error(lost):
    request, registry = Request(suite="half"), load([lost])
    with pytest.raises(RequirementsMissing, match="1 of 3 requirements are missing") as caught:
        prepare(request, registry, installed())
    assert [row.name for row in caught.value.rows] == ["lost"]
    said: list[str] = []
    resolved = prepare(request, registry, installed(), available=True, say=said.append)
    assert list(resolved.models) == ["digits-alexnet"]
    assert resolved.plan.definition["models"] == ["digits-alexnet", "lost"]
    assert said == ["skipped because their weights are missing: lost"]


def test_a_draft_has_the_cells_of_the_plan(lost):
    """Keys of models whose weights are here are those of the run."""
    request, registry = Request(suite="half", goals=["random"]), load([lost])
    drafted = draft(request, registry, installed())
    assert [row.name for row in drafted.inventory.all("missing")] == ["lost"]
    planned = prepare(request, registry, installed(), available=True).plan
    keys = [cell.key for cell in drafted.resolved.plan.cells]
    assert keys[: len(planned.cells)] == [cell.key for cell in planned.cells]
    assert len(keys) == 2 * len(planned.cells) == 4


@pytest.mark.parametrize("images", [0, 2, 31, 33, -32])
def test_passes_have_one_image_or_whole_vectors_of_them(images):
    with pytest.raises(ConfigError, match="images per pass"):
        Request(suite="small", exact=images)
