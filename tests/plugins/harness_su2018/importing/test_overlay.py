"""The table of the 18, and entries that the registry takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml

from harness.api import Classifier
from harness.engine.classifier import PixelSpace
from harness.errors import ConfigError
from harness.registry import load
from harness_su2018.importing import overlay
from harness_su2018.importing.child import Found
from harness_su2018.importing.known import MODELS, find

SHA = "0" * 64


def found(outputs: int, size: int = 128) -> Found:
    return Found("input:0", "logits:0", (size, size), outputs, 10, 1234)


def test_all_eighteen_are_there_under_the_names_of_the_digits_suite():
    assert len(MODELS) == 18
    digits = [model.name.removeprefix("digits-") for model in load().match_models(["digits-*"])]
    assert [known.name for known in MODELS] == digits


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("frozen_inception_v3", "inception_v3"),
        ("frozen_vgg_16", "vgg16"),
        ("vgg19", "vgg19"),
        ("alexnet_frozen", "alexnet"),
        ("densenet121_k32_frozen", "densenet121_k32"),
        ("frozen_mobilenet_v1_025", "mobilenet_v1_025"),
        ("mobilenet_v1_0.25_128_frozen", "mobilenet_v1_025"),
    ],
)
def test_graphs_are_known_by_their_files_names(file, name):
    known = find(file)
    assert known is not None
    assert known.name == name


def test_other_graphs_are_unknown():
    assert find("efficientnet") is None
    assert find("") is None


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        # What the study's code feeds, at the first pixel: FACTS of the released code.
        ("vgg16", lambda r, g, b: (r * 255 - 123.68, g * 255 - 116.78, b * 255 - 103.94)),
        ("alexnet", lambda r, g, b: (b * 255 - 104, g * 255 - 117, r * 255 - 124)),
        ("densenet161_k48", lambda r, g, b: ((r * 255 - 123.68) * 0.017,
                                             (g * 255 - 116.78) * 0.017,
                                             (b * 255 - 103.94) * 0.017)),
        ("nasnet_large", lambda r, g, b: (2 * r - 1, 2 * g - 1, 2 * b - 1)),
    ],
)  # fmt: skip
def test_the_network_sees_what_the_released_code_feeds(tmp_path, name, seen):
    path = tmp_path / overlay.FILE
    overlay.add(path, name, overlay.entry(find(name), found(1000), file="m.onnx", sha256=SHA))
    preprocessing = load([path]).get_model(name).preprocessing
    pixels = torch.rand((1, 3, 1, 1), generator=torch.Generator().manual_seed(1))
    fed = Classifier(torch.nn.Flatten(), preprocessing, 3)
    result = PixelSpace(fed.module, preprocessing)(pixels)[0]
    expected = torch.tensor(seen(*pixels.flatten().double().tolist()))
    torch.testing.assert_close(result.double(), expected.double(), rtol=1e-5, atol=1e-4)


def test_a_known_entry_in_full(tmp_path):
    path = tmp_path / overlay.FILE
    known = find("frozen_mobilenet_v1_025")
    model = overlay.entry(known, found(1001, 224), file="m.onnx", sha256=SHA)
    overlay.add(path, "mobilenet_v1_025", model)
    entry = load([path]).get_model("mobilenet_v1_025")
    assert (entry.loader, entry.family, entry.year, entry.parameters) == (
        "onnx", "MobileNet", 2017, 1234,
    )  # fmt: skip
    assert (entry.classes, entry.preprocessing.background) == (1000, 0)
    assert entry.preprocessing.size == (224, 224)
    assert (entry.published.top1, entry.published.top5) == (41.5, 66.3)
    assert "those at 128 x 128" in entry.notes
    assert entry.weights_path == tmp_path / "m.onnx"
    assert entry.weights.sha256 == SHA
    assert "To be checked" not in path.read_text()


def test_an_unknown_entry_says_what_is_to_be_checked(tmp_path):
    path = tmp_path / overlay.FILE
    overlay.add(path, "own", overlay.entry(None, found(7), file="own.onnx", sha256=SHA))
    entry = load([path]).get_model("own")
    assert (entry.family, entry.classes, entry.preprocessing.background) == ("unknown", 7, None)
    assert entry.notes.startswith("normalisation to be checked")
    assert re.search(r"# To be checked: .*\n    preprocessing:\n", path.read_text())


def test_entries_of_other_models_and_sections_stay(tmp_path):
    path = tmp_path / overlay.FILE
    suites = {"mine": {"dataset": "digits", "models": ["own"], "metrics": ["accuracy"]}}
    path.write_text(yaml.safe_dump({"suites": suites}))
    for name, outputs in (("own", 7), ("vgg16", 1000), ("own", 8)):
        model = overlay.entry(find(name), found(outputs), file=f"{name}.onnx", sha256=SHA)
        overlay.add(path, name, model)
    registry = load([path])
    assert registry.get_suite("mine").models == ("own",)
    assert registry.get_model("own").classes == 8
    assert registry.get_model("vgg16").family == "VGG"
    assert path.read_text().count("To be checked") == 1
    assert {file.name for file in tmp_path.iterdir()} == {overlay.FILE}


@pytest.mark.parametrize("content", [b"- a list", b"models: 3", b"a: [", b"\xff\xfe"])
def test_something_else_under_that_name_is_left_alone(tmp_path: Path, content: bytes):
    path = tmp_path / overlay.FILE
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"models.yaml: .*move it, or choose another -o"):
        overlay.add(path, "own", overlay.entry(None, found(7), file="own.onnx", sha256=SHA))
    assert path.read_bytes() == content
