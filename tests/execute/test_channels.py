"""Models of one channel, and of others than three: what they see, from attack to report."""

from __future__ import annotations

import base64
import io
import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.api import DataError, DatasetSpec
from harness.engine.adaptation import adapted
from harness.execute.images import Images
from harness.execute.pixels import in_channels, packed, unpacked
from harness_datasets.folder import FolderDataset
from harness_digits import data

SIZE = 16


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of photographs: noise in colours, and a grey ramp."""
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    ramp = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)
    for name, pixels in (("noise", noise), ("ramp", ramp)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / name / "a.png")
    return tmp_path / "photos"


def test_a_grey_model_sees_what_pillow_makes_of_colours(photos: Path) -> None:
    images = Images(FolderDataset(DatasetSpec("photos", photos, {"classes": "sorted"}, 2)))
    for name in ("noise", "ramp"):
        with Image.open(photos / name / "a.png") as image:
            expected = np.asarray(image.convert("RGB").convert("L"), np.float32) / np.float32(255)
        for _ in range(2):  # read, and from the cache
            found = images.read(f"{name}/a.png", (1, SIZE, SIZE))
            assert found.dtype == torch.float32
            assert np.array_equal(found.numpy(), expected[None])
        (streamed,) = images.stream([f"{name}/a.png"], (1, SIZE, SIZE))
        assert torch.equal(streamed, found)


def test_what_is_no_8_bit_image_is_weighted_in_full() -> None:
    colours = np.random.default_rng(0).random((3, 5, 7), np.float32)
    luma = np.tensordot([0.299, 0.587, 0.114], colours.astype(np.float64), axes=1)
    assert in_channels(colours, 1)[0] == pytest.approx(luma, abs=1e-5)
    image = data.digits()[0][3]
    assert packed(image).dtype == np.float32, "sixteenths"
    assert np.array_equal(in_channels(image, 1)[0], image[0]), "equal channels are the grey"
    assert np.array_equal(in_channels(image[:1], 3), image)
    assert unpacked(in_channels(packed(image), 1)).shape == (1, 32, 32)


@pytest.mark.parametrize(("found", "wanted"), [(4, 3), (3, 4), (1, 4), (2, 1)])
def test_other_channels_are_nobodys_guess(found: int, wanted: int) -> None:
    with pytest.raises(DataError, match=f"has {found} channels?, the model takes {wanted}"):
        in_channels(np.zeros((found, 2, 2), np.uint8), wanted)


def test_adversarial_examples_change_their_channels_too() -> None:
    grey = torch.rand(2, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    repeated = adapted(grey, (3, 6, 6), 1.0)
    assert repeated.shape == (2, 3, 6, 6)
    assert torch.equal(repeated[:, 2, 1:5], grey[:, 0])
    assert torch.allclose(adapted(repeated, (1, 4, 6), 1.0), grey)


class Linear(torch.nn.Module):
    """A linear classifier of grey digits, by least squares on the training half."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        images, labels = data.digits()
        rows = data.split("train")
        pixels = torch.from_numpy(images[rows, :1].reshape(len(rows), -1)).double()
        wanted = 2 * torch.nn.functional.one_hot(torch.from_numpy(labels[rows]), 10).double() - 1
        ones = torch.ones(len(rows), 1).double()
        design = torch.cat((pixels, ones), 1)
        square = design.T @ design + 10 * torch.eye(design.shape[1])
        solution = torch.linalg.solve(square, design.T @ wanted).float()
        self.flat = torch.nn.Flatten()
        self.last = torch.nn.Linear(solution.shape[0] - 1, 10)
        self.last.weight.data, self.last.bias.data = solution[:-1].T.contiguous(), solution[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.flat(images))


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    path = tmp_path / "grey.onnx"
    torch.onnx.export(Linear().eval(), (torch.zeros(2, 1, 32, 32),), path, dynamo=False)
    return path


OVERLAY = """\
models:
  grey:
    loader: onnx
    weights: {file: grey.onnx}
    family: Linear
    classes: 10
    preprocessing: {size: [32, 32], channels: grey}
suites:
  both:
    dataset: digits
    models: [grey, digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 30
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.2}, keep: true}
      - {attack: cw, goals: [untargeted], parameters: {search_steps: 1, iterations: 5}, images: 2}
    measurements:
      - {measurement: clever, images: 2, parameters: {batches: 4, samples: 4}}
    transfer: {}
    metrics: [accuracy, success, l2_per_pixel_hwc]
"""


def test_a_grey_network_from_attack_to_report(harness, tmp_path: Path, grey: Path) -> None:
    (tmp_path / "both.yaml").write_text(OVERLAY)
    asked = "--registry", "both.yaml", "--suite", "both"
    result = harness("run", *asked)
    assert result.code == 0, result.err
    db = sqlite3.connect(tmp_path / "harness.db")
    statuses = db.execute("SELECT DISTINCT status FROM samples").fetchall()
    assert {"error", "invalid"}.isdisjoint({row[0] for row in statuses}), statuses
    shapes = {tuple(json.loads(row[0])) for row in db.execute("SELECT shape FROM artifacts")}
    assert shapes == {(1, 32, 32), (3, 32, 32)}
    pairs = db.execute("SELECT failed, border, source = target FROM transfer_pairs")
    assert sorted(pairs.fetchall()) == [(0, "none", 1)] * 2 + [(0, "white", 0)] * 2
    # Grey digits repeated are the RGB digits: the same images, the same predictions.
    seen = db.execute(
        "SELECT t.clean_predicted, c.predicted FROM transfer_samples AS t JOIN cells"
        " ON cells.key = t.target_cell_key JOIN clean AS c ON c.cell_id = cells.id JOIN images"
        " ON images.id = c.image_id AND images.name = t.image_id WHERE t.source <> t.target"
    ).fetchall()
    assert len(seen) >= 8
    assert all(adapted == own for adapted, own in seen)

    board = json.loads(harness("leaderboard", "--suite", "both", "--format", "json").out)
    assert "grey" in json.dumps(board)
    assert harness("run", *asked).err.count("nothing to do") == 1
    assert harness("verify", "--registry", "both.yaml").code == 0

    result = harness("report", "--registry", "both.yaml", "-o", "page")
    assert result.code == 0, result.err
    page = (tmp_path / "page" / "index.html").read_text()
    sources = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    modes = {Image.open(io.BytesIO(base64.b64decode(each))).mode for each in sources}
    assert "L" in modes


def test_a_grey_graph_needs_no_entry(harness, grey: Path) -> None:
    wanted = "--models", f"onnx:{grey}", "--suite", "digits18", "--attacks", "fgsm", "--limit", "4"
    result = harness("run", *wanted)
    assert result.code == 0, result.err
    assert "no normalisation assumed" in result.err


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("channels: grey, mean: [.5, .5, .5]", "mean has 3 numbers for 1 channel: give one, or 1"),
        ("channels: 0", "preprocessing.channels"),
        ("channels: gray", "preprocessing.channels"),
        ("mean: [.1, .2]", "mean has 2 numbers for 3 channels: give one, or 3"),
        ("mean: x", "preprocessing.mean"),
    ],
)
def test_what_an_entry_says_of_channels_is_checked(harness, tmp_path, fields, what) -> None:
    text = OVERLAY.replace("channels: grey", fields)
    (tmp_path / "both.yaml").write_text(text)
    result = harness("plan", "--registry", "both.yaml", "--suite", "both")
    assert result.code == 2
    assert what in result.err


@pytest.mark.parametrize(
    ("fields", "like"),
    [
        ("channels: 3", "channels: rgb"),
        ("mean: .5", "mean: [.5, .5, .5]"),
        ("channels: 1, std: [.5]", "channels: grey, std: .5"),
    ],
)
def test_ways_to_say_the_same_are_the_same_model(tmp_path: Path, fields: str, like: str) -> None:
    from harness.registry import load

    found = []
    for each in (fields, like):
        (tmp_path / "both.yaml").write_text(OVERLAY.replace("channels: grey", each))
        found.append(load([tmp_path / "both.yaml"]).models["grey"].input)
    assert found[0] == found[1]
