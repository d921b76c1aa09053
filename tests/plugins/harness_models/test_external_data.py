"""ONNX graphs whose tensors lie in other files: beside the graph, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import ModelProto, helper
from test_onnx_loader import CLASSES, SIZE, forward, images, load, oracle, save, tiny

from harness.api import MissingError, ModelError, ModelSpec, Preprocessing
from harness_models.onnx import OnnxLoader


@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_tensors_in_a_file_beside_the_graph_are_read(tmp_path: Path, where: str) -> None:
    classifier = load(outside("beside.bin", where, tmp_path), tmp_path)
    expected = oracle(tiny(), images(3)).float()
    torch.testing.assert_close(forward(classifier, images(3)), expected, rtol=1e-4, atol=1e-5)
    (beside,) = OnnxLoader().files(spec(tmp_path / "tiny.onnx"))
    assert beside == tmp_path / "beside.bin"
    beside.unlink()
    with pytest.raises(MissingError, match=r"keeps tensors in .beside.bin.*No such file"):
        load(tmp_path / "tiny.onnx", tmp_path)


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/hostname", "link.bin", ".", "", "a\0b"]
)
@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_no_file_elsewhere_is_ever_opened(tmp_path: Path, location: str, where: str) -> None:
    """A graph must not say which files of this machine are read."""
    (tmp_path / "secret.bin").write_bytes(bytes(99))
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = outside(location, where)
    with pytest.raises((ModelError, MissingError), match=r"which is not next to it|is a folder"):
        load(model, folder)
    with pytest.raises((ModelError, MissingError), match=r"which is not next to it|is a folder"):
        OnnxLoader().files(spec(folder / "tiny.onnx"))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"offset": 4}, "has nothing"),
        ({"length": 10**12}, "has nothing"),
        ({"offset": -1}, "has nothing"),
        ({"length": "many"}, "has nothing"),
    ],
)
def test_tensors_beyond_the_end_of_a_file_are_refused(
    tmp_path: Path, place: dict[str, Any], message: str
) -> None:
    model = outside("beside.bin", "initializer", tmp_path)
    entries = {entry.key: entry for entry in model.graph.initializer[2].external_data}
    for key, value in ({"length": 16} | place).items():
        entry = entries.get(key) or model.graph.initializer[2].external_data.add(key=key)
        entry.value = str(value)
    with pytest.raises(ModelError, match=rf"'bias' should lie where beside.bin .*{message}"):
        load(model, tmp_path)


def test_a_link_to_a_graph_finds_what_lies_beside_either(tmp_path: Path) -> None:
    """As in the cache of the Hugging Face Hub, where a snapshot links to blobs."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    save(outside("beside.bin", "initializer", blobs), blobs)
    for name in ("tiny.onnx", "beside.bin"):
        (snapshot / name).symlink_to(blobs / name)
    assert load(snapshot / "tiny.onnx", tmp_path).module is not None


def outside(location: str, where: str, folder: Path | None = None) -> ModelProto:
    """`tiny` with its bias in another file, which is written into ``folder``."""
    model = tiny()
    tensor = model.graph.initializer[2]
    if where == "attribute":
        node = helper.make_node("Constant", [], ["bias"], value=tensor)
        del model.graph.initializer[2]
        model.graph.node.insert(0, node)
        tensor = model.graph.node[0].attribute[0].t
    if folder is not None:
        (folder / location).write_bytes(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    return model


def spec(path: Path) -> ModelSpec:
    return ModelSpec("tiny", "tiny", path, Preprocessing((SIZE, SIZE)), CLASSES, {})
