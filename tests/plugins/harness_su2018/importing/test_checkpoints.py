"""``harness models import`` on TF-Slim's checkpoints: found, read, checked, listed, and used."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.registry import load
from harness_slim.loader import SlimLoader

SMALL = "mobilenet_v1_025"


@pytest.fixture(scope="module")
def small(save: Callable[..., Path]) -> Path:
    """The narrowest MobileNet in both formats: a folder each."""
    folder = save(f"{SMALL}:128:V1")
    new = folder / "new"
    new.mkdir()
    made = save(f"{SMALL}:128:V2")
    for path in made.iterdir():
        path.rename(new / path.name)
    return folder


@pytest.fixture
def rows(harness) -> Callable[..., tuple[dict[str, dict], int, str]]:
    def run(*arguments: object) -> tuple[dict[str, dict], int, str]:
        result = harness("models", "import", *arguments, "-o", "out", "--format", "json")
        assert "Traceback" not in result.err
        report = json.loads(result.out or "[]")
        return {row["name"]: row for row in report}, result.code, result.err

    return run


def packed(path: Path, mode: str, **members: Path) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, source in members.items():
            tar.add(source, f"./{name}")
    return path


def assert_as_tensorflow(name: str, arrays: Path, overlay: Path) -> None:
    """The loader's logits, from the registry's entry on, are TensorFlow's at both sizes."""
    entry = load([overlay]).get_model(name)
    assert (entry.loader, entry.weights_path) == (
        "slim", overlay.with_name(f"{name}-slim.safetensors"),
    )  # fmt: skip
    module = SlimLoader().load(entry.spec(entry.weights_path), "cpu").module
    with np.load(arrays) as made:
        for number in range(2):
            expected = made[f"logits{number}"]
            found = module(torch.from_numpy(made[f"images{number}"])).numpy()
            assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
            assert expected.std() > 0


def assert_the_studys(overlay: Path) -> None:
    entry = load([overlay]).get_model(SMALL)
    assert entry.published.top1 == 41.5
    assert (entry.preprocessing.size, entry.preprocessing.background) == ((128, 128), 0)
    assert "TF-Slim's checkpoint" in entry.notes
    assert (entry.architecture, entry.classes, entry.parameters) == (SMALL, 1000, 470_329)


def test_both_formats_out_of_archives(small: Path, rows, tmp_path: Path) -> None:
    graph = tmp_path / "frozen.pb"
    graph.write_bytes(b"a graph that is not read")
    stem, data = f"{SMALL}.ckpt", "data-00000-of-00001"
    old = packed(tmp_path / "mobilenet_v1_0.25_128_2017_06_14.tar.gz", "w:gz",
                 **{stem: small / stem})  # fmt: skip
    new = packed(
        tmp_path / "mobilenet_v1_0.25_128.tgz", "w:gz",
        **{
            "mobilenet_v1_0.25_128_frozen.pb": graph,
            "mobilenet_v1_0.25_128.ckpt.index": small / "new" / f"{stem}.index",
            f"mobilenet_v1_0.25_128.ckpt.{data}": small / "new" / f"{stem}.{data}",
            "mobilenet_v1_0.25_128.tflite": graph,
        },
    )  # fmt: skip
    overlay = tmp_path / "out" / "models.yaml"
    for source, form, arrays in (
        (old, "V1 checkpoint", small),
        (new, "V2 checkpoint", small / "new"),
    ):
        found, code, err = rows(source)
        assert code == 0, err
        row = found[SMALL]
        assert (row["form"], row["parameters"]) == (form, 470_329)
        assert row["left_out"] == 4  # a step, a slot, a shadow, an Aux head
        assert row["error_torch"] <= 1e-4
        assert_as_tensorflow(SMALL, arrays / f"{SMALL}.npz", overlay)
        assert_the_studys(overlay)
        overlay.unlink()
        said = "not the graph 'mobilenet_v1_0.25_128_frozen.pb' beside it"
        assert (said in err) == (source == new)
    assert {path.name for path in overlay.parent.iterdir()} == {f"{SMALL}-slim.safetensors"}


def test_what_cannot_be_imported_is_said(small: Path, rows, tmp_path: Path) -> None:
    stem = f"{SMALL}.ckpt"
    _, code, err = rows(small / stem, "--network", "mobilenet_v1_050")
    assert code == 1
    assert "does not hold mobilenet_v1_050: " in err
    assert "variables of another shape: MobilenetV1/Conv2d_0/BatchNorm/beta is (8,)" in err
    nameless = tmp_path / "model.ckpt"
    nameless.write_bytes((small / stem).read_bytes())
    _, code, err = rows(nameless)
    assert code == 1
    assert "say which with --network NAME" in err
    found, code, err = rows(packed(tmp_path / "x.tar", "w", **{"model.ckpt": nameless}))
    assert code == 1
    assert "holds no .pb file, but a checkpoint (model.ckpt); say which network it is" in err
    found, code, err = rows(nameless, "--network", SMALL)
    assert (code, found[SMALL]["status"]) == (0, "ok")
    _, code, err = rows(nameless, "--network", "mobilenet_v1_026")
    assert code != 0
    assert "no network 'mobilenet_v1_026'; did you mean 'mobilenet_v1_025'?" in err


def test_damage_is_one_line(small: Path, rows, tmp_path: Path) -> None:
    """Content that is not what the sums in the file say, and an index without an end."""
    content = bytearray((small / f"{SMALL}.ckpt").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / f"{SMALL}.ckpt").write_bytes(content)
    _, code, err = rows(tmp_path / f"{SMALL}.ckpt")
    assert code == 1
    assert "cannot be read: " in err
    (tmp_path / "vgg_16.ckpt").write_bytes(content[:5000])
    _, code, err = rows(tmp_path / "vgg_16.ckpt")
    assert code == 1
    assert "vgg_16.ckpt: is no checkpoint, or cut off; fetch it again" in err
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_keras_weights_are_the_same_network_without_a_background(
    keras_weights: Path, harness, monkeypatch, tmp_path: Path
) -> None:
    """Without -o they go where the registry looks for imported models."""
    monkeypatch.setenv("HARNESS_IMPORTED", str(tmp_path / "mine"))
    result = harness(
        "models", "import", keras_weights / "mobilenet_2_5_128_tf.h5", "--format", "json"
    )
    assert result.code == 0, result.err
    (row,) = json.loads(result.out)
    assert (row["name"], row["form"], row["parameters"], row["left_out"]) == (
        SMALL, "Keras's h5", 470_072, 0,
    )  # fmt: skip
    entry = load([tmp_path / "mine" / "models.yaml"]).get_model(SMALL)
    assert (entry.preprocessing.background, entry.classes) == (None, 1000)
    assert entry.weights_path == tmp_path / "mine" / f"{SMALL}-keras.safetensors"
    module = SlimLoader().load(entry.spec(entry.weights_path), "cpu").module
    with np.load(keras_weights / "mobilenet.npz") as arrays:
        expected = arrays["logits"]
        logits = module(torch.from_numpy(arrays["images"])).numpy()
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["resnet_v2_50:299:V1", "vgg16:224:V2"])
def test_a_large_network(save: Callable[..., Path], rows, tmp_path: Path, wanted: str) -> None:
    name, _, version = wanted.split(":")
    made = save(wanted)
    source = made / (f"{name}.ckpt" if version == "V1" else f"{name}.ckpt.index")
    found, code, err = rows(source)
    assert code == 0, err
    assert found[name]["error_torch"] <= 1e-4
    assert_as_tensorflow(name, made / f"{name}.npz", tmp_path / "out" / "models.yaml")
