"""``harness models import`` on frozen graphs: found, converted, checked, listed, and used."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.engine.classifier import PixelClassifier
from harness.registry import load
from harness_models.onnx import OnnxLoader

SMALL = (
    "fixed_batch", "stubborn_batch", "two_softmaxes", "open_size", "random", "text", "writes",
    "no_softmax", "frozen_vgg_16",
)  # fmt: skip


@pytest.fixture(scope="module")
def small(freeze: Callable[..., Path]) -> Path:
    return freeze(*SMALL)


@pytest.fixture
def rows(harness) -> Callable[..., tuple[dict[str, dict], int, str]]:
    def run(*arguments: object) -> tuple[dict[str, dict], int, str]:
        result = harness("models", "import", *arguments, "-o", "out", "--format", "json")
        assert "Traceback" not in result.err
        return {row["name"]: row for row in json.loads(result.out)}, result.code, result.err

    return run


def classifier(name: str, overlay: Path) -> PixelClassifier:
    entry = load([overlay]).get_model(name)
    loaded = OnnxLoader().load(entry.spec(entry.weights_path), "cpu")
    return PixelClassifier(loaded, device=torch.device("cpu"), fold_batch_norm=False)


def assert_as_keras(name: str, made: Path, overlay: Path) -> None:
    """The imported model, from pixels, gives keras's own probabilities by both of its ways."""
    with np.load(made / f"{name}.npz") as arrays:
        pixels, expected = torch.tensor(arrays["pixels"]), torch.tensor(arrays["probabilities"])
        assert load([overlay]).get_model(name).parameters == arrays["parameters"]
    model = classifier(name, overlay)
    assert model.differentiable is not None
    assert float(expected.std()) > 0
    for logits in (model.predict(pixels), model.differentiable(pixels)):
        found = torch.softmax(logits.double(), 1)
        torch.testing.assert_close(found.float(), expected, rtol=1e-3, atol=1e-6)


def assert_agrees(row: dict) -> None:
    assert row["status"] == "ok", row["error"]
    for key in ("error_runtime", "error_torch", "error_gradient"):
        assert row[key] <= 1e-4


def overlay_names(overlay):
    """The models that the overlay adds, or puts in the place of built-in ones."""
    return {name for name, entry in load([overlay]).models.items() if entry.file == overlay}


def test_five_networks_and_two_bad_graphs_in_one_archive(freeze, rows, tmp_path):
    names = ("mobilenet_v1_025", "resnet_v2_50", "inception_v3", "densenet121_k32", "vgg16")
    made = freeze(*names)
    whole = (made / "mobilenet_v1_025.pb").read_bytes()
    archive = tmp_path / "frozen_imagenet_models_v1.1.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, content in (("cut.pb", whole[: len(whole) // 2]), ("../../x.pb", whole)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name in names:
            tar.add(made / f"{name}.pb", f"models/frozen_{name}.pb")
    found, code, err = rows(archive)
    assert code == 1
    assert "'cut.pb': is not a frozen TensorFlow graph, or cut off" in err
    assert "'../../x.pb': leaves the archive's folder: refused" in err
    assert found["cut"]["status"] == "failed"
    overlay = tmp_path / "out" / "models.yaml"
    assert overlay_names(overlay) == set(names)
    for name in names:
        assert_agrees(found[name])
        assert found[name]["batch"] is None
        assert_as_keras(name, made, overlay)
    assert load([overlay]).get_model("densenet121_k32").published.top1 == 74.9
    assert {path.suffix for path in overlay.parent.iterdir()} == {".onnx", ".yaml"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_resnet_v2", "nasnet_large"])
def test_a_large_network(freeze, rows, tmp_path, name):
    made = freeze(name)
    found, code, err = rows(made / f"{name}.pb")
    assert code == 0, err
    assert_agrees(found[name])
    assert_as_keras(name, made, tmp_path / "out" / "models.yaml")


def test_good_graphs_beside_bad_ones(small, rows, tmp_path):
    found, code, err = rows(*(small / f"{name}.pb" for name in SMALL))
    assert code == 1
    for name, message in {
        "two_softmaxes": "has 2 last softmaxes: 'first/softmax', 'second/softmax'; choose the "
        "logits with --logits TENSOR",
        "open_size": "input 'image:0' leaves its size open; say it with --size",
        "random": "RandomUniform ('dropout/random_uniform/RandomUniform') has state or effects",
        "text": "operation AsString ('AsString') handles text or resources: refused",
        "no_softmax": "has no softmax (its ends: 'first/logits'); choose the logits",
    }.items():
        assert found[name]["status"] == "failed"
        assert message in err
    # The table knows the logits of VGG-16: its two softmaxes are no matter.
    assert_agrees(found["vgg16"])
    assert (found["vgg16"]["input"], found["vgg16"]["logits"]) == (
        "input:0", "vgg_16/fc8/squeezed:0",
    )  # fmt: skip
    # A batch of 1 that the graph fixed is freed where it can be; the loader takes both kinds.
    for name, batch in (("fixed_batch", None), ("stubborn_batch", 1), ("writes", None)):
        assert_agrees(found[name])
        assert found[name]["batch"] == batch
        model = classifier(name, tmp_path / "out" / "models.yaml")
        pixels = torch.rand((3, 3, 8, 8), generator=torch.Generator().manual_seed(0))
        together = model.predict(pixels)
        apart = torch.cat([model.predict(pixel) for pixel in pixels.split(1)])
        torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model.differentiable(pixels), together, rtol=1e-4, atol=1e-4)
    assert not (small / "written").exists()
    assert overlay_names(tmp_path / "out" / "models.yaml") == {
        "fixed_batch", "stubborn_batch", "writes", "vgg16",
    }  # fmt: skip


def test_the_users_choices(small, rows):
    found, code, err = rows(small / "two_softmaxes.pb", "--logits", "second/logits")
    assert code == 0, err
    assert found["two_softmaxes"]["logits"] == "second/logits:0"
    _, code, err = rows(small / "two_softmaxes.pb", "--logits", "secnd/logits")
    assert code == 1
    assert "has no tensor 'secnd/logits'; did you mean --logits second/logits:0?" in err
    found, code, err = rows(small / "open_size.pb", "--size", "10x12", "--input", "image")
    assert code == 0, err
    assert_agrees(found["open_size"])


def test_what_is_missing_from_a_cut_graph_is_named(small, rows, tmp_path):
    """A file may end exactly between two nodes: it is a valid message still."""
    content = (small / "fixed_batch.pb").read_bytes()
    assert content[0] == 0x0A  # field 1, a node; its length follows, one byte
    assert content[1] < 0x80
    (tmp_path / "headless.pb").write_bytes(content[2 + content[1] :])
    (tmp_path / "empty.pb").write_bytes(b"")
    _, code, err = rows(tmp_path / "headless.pb", tmp_path / "empty.pb")
    assert code == 1
    assert "reads 'image', which is missing: cut off?" in err
    assert "empty.pb: holds no nodes" in err


def test_without_tensorflow_the_remedy_is_named(harness, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(b""))
    result = harness("models", "import", path)
    assert result.code == 3
    assert "tensorflow" in result.err
    assert "pip install 'frontier-harness[paper]'" in result.err
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("size", ["0", "x", "12x", "3x-1", "big"])
def test_a_size_is_a_number_or_two(harness, tmp_path, size):
    path = tmp_path / "a.pb"
    path.write_bytes(b"")
    result = harness("models", "import", path, "--size", size)
    assert result.code == 2
    assert "is not a size" in result.err
