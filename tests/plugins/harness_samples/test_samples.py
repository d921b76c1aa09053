"""EfficientNet-Lites and photographs out of the package index, as files and by the command line."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch

from harness.api import DatasetSpec, MissingError, ModelError, ModelSpec
from harness.registry import load
from harness_datasets.folder import FolderDataset
from harness_samples import packages
from harness_samples.dataset import NumberedPhotos
from harness_samples.loader import EfficientNetLiteLoader

ROOT = Path(__file__).parents[3]
MINI = Path(os.environ.get("HARNESS_IMAGENET_MINI", ROOT.parent / "shared" / "imagenet-mini"))
NAMES = tuple(packages.WEIGHTS)

here = pytest.mark.skipif(
    packages.photos() is None or None in map(packages.weights, NAMES),
    reason=f"needs {packages.INSTALL}",
)


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not installed."""
    monkeypatch.setattr(packages, "folder_of", lambda package: None)


def spec_of(name: str, **changes: object) -> ModelSpec:
    entry = load([]).models[name]
    return ModelSpec(
        **{
            "name": name,
            "architecture": name,
            "weights": None,
            "preprocessing": entry.preprocessing,
            "classes": 1000,
            "options": {},
            **changes,
        }  # type: ignore[arg-type]
    )


# --- weights ---


@here
@pytest.mark.parametrize("name", NAMES)
def test_the_logits_are_those_of_timms_network_with_the_files_tensors(name: str) -> None:
    """By position: files and timm list the same tensors in the same order under other names."""
    path = packages.weights(name)
    assert path is not None
    found = torch.load(path, map_location="cpu", weights_only=True)
    network = timm.create_model(f"tf_{name}", pretrained=False)
    own = network.state_dict()
    assert [each.shape for each in own.values()] == [each.shape for each in found.values()]
    network.load_state_dict(dict(zip(own, found.values(), strict=True)))
    size = load([]).models[name].preprocessing.size
    image = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(0)) * 2 - 1
    classifier = EfficientNetLiteLoader().load(spec_of(name), "cpu")
    assert classifier.module is not None
    parameters = sum(each.numel() for each in classifier.module.parameters())
    assert parameters == load([]).models[name].parameters
    with torch.no_grad():
        assert torch.equal(classifier.module(image), network.eval()(image))


def test_what_it_cannot_build_is_one_line(absent: None) -> None:
    loader = EfficientNetLiteLoader()
    with pytest.raises(ModelError, match="unknown architecture 'efficientnet_lite9'"):
        loader.weights(spec_of(NAMES[0], architecture="efficientnet_lite9"))
    with pytest.raises(ModelError, match="unknown option 'size'"):
        loader.untrained(spec_of(NAMES[0], options={"size": 3}), "cpu")
    with pytest.raises(ModelError, match="its weights are not installed"):
        loader.load(spec_of(NAMES[0]), "cpu")


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    """Lite 1 and 2 have the same layers, some in other widths; what is named is what is there."""
    path = tmp_path / "weights.pth"
    network = EfficientNetLiteLoader().untrained(spec_of(NAMES[2]), "cpu").module
    assert network is not None
    tensors = network.state_dict()
    torch.save(tensors, path)
    with pytest.raises(ModelError, match=r"tensors do not fit efficientnet_lite1"):
        EfficientNetLiteLoader().load(spec_of(NAMES[1], weights=path), "cpu")
    torch.save({**tensors, "_fc.weight_scale": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r" 1 tensors do not fit.*: _fc\.weight_scale;"):
        EfficientNetLiteLoader().load(spec_of(NAMES[2], weights=path), "cpu")


# --- photographs ---


@here
def test_photographs_have_the_labels_in_their_names() -> None:
    dataset = NumberedPhotos(load([]).datasets["sample-photos"].spec(None))
    samples = {sample.id: sample.label for sample in dataset.samples()}
    assert len(samples) == 20
    assert samples["imagenet_00"] == 243
    assert samples["imagenet_16"] == 251
    assert dataset.class_names[243] == "bull mastiff"
    assert dataset.class_names[251].startswith("dalmatian")


@here
def test_neither_foolbox_nor_torch_is_imported_for_them() -> None:
    code = (
        "import sys\n"
        "from harness.api import DatasetSpec\n"
        "from harness_samples.dataset import NumberedPhotos\n"
        "assert len(NumberedPhotos(DatasetSpec('photos', None, {})).samples()) == 20\n"
        "print({'foolbox', 'timm', 'torch'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_folder_without_such_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "imagenet_00_1000.jpg").touch()
    (tmp_path / "cifar10_00_3.jpg").touch()
    with pytest.raises(MissingError, match=r"label 1000 is none of 0 to 999"):
        NumberedPhotos(DatasetSpec("photos", tmp_path, {}))
    (tmp_path / "imagenet_00_1000.jpg").unlink()
    with pytest.raises(MissingError, match="holds no images called"):
        NumberedPhotos(DatasetSpec("photos", tmp_path, {}))


# --- accuracy ---


def count(name: str, dataset: FolderDataset | NumberedPhotos, step: int) -> tuple[int, int]:
    """How many of every ``step``-th image are right at the first place, and within five."""
    preprocessing = load([]).models[name].preprocessing
    classifier = EfficientNetLiteLoader().load(spec_of(name), "cpu")
    assert classifier.module is not None
    samples = dataset.samples()[::step]
    pixels = [dataset.read(each, preprocessing.size, preprocessing.cut) for each in samples]
    with torch.no_grad():
        logits = classifier.module(torch.stack([torch.from_numpy(each) for each in pixels]) * 2 - 1)
    labels = torch.tensor([each.label for each in samples])[:, None]
    right = logits.topk(5).indices == labels
    return int(right[:, 0].sum()), int(right.any(1).sum())


@here
def test_they_are_recognised() -> None:
    dataset = NumberedPhotos(load([]).datasets["sample-photos"].spec(None))
    first, five = count(NAMES[0], dataset, 1)
    assert first == pytest.approx(18, abs=1)
    assert five == pytest.approx(19, abs=1)


@here
@pytest.mark.skipif(not MINI.is_dir(), reason=f"no imagenet-mini at {MINI}")
def test_other_photographs_are_recognised() -> None:
    """Every tenth of the 250, of which 223 and 246 are right (89.2 and 98.4%)."""
    spec = DatasetSpec("imagenet", MINI / "images", {"resize": "timm"}, 1000)
    first, five = count(NAMES[0], FolderDataset(spec), 10)
    assert first == pytest.approx(22, abs=1)
    assert five == pytest.approx(25, abs=1)


# --- the command line ---


@here
def test_the_suite_runs(harness) -> None:
    some = ("--limit", 2, "--models", "efficientnet_lite0,efficientnet_lite1")
    done = harness("run", "--suite", "photos", *some, "--attacks", "fgsm*")
    assert done.code == 0, done.err
    shown = harness("leaderboard", "--attack", "fgsm", "--goal", "untargeted", "--format", "json")
    rows = {row["model"]: row for row in json.loads(shown.out)["rows"]}
    assert rows["efficientnet_lite0"]["images"] == rows["efficientnet_lite1"]["images"] == 2
    assert not rows["efficientnet_lite2"]["complete"]
    table = harness("transfer", "--attack", "fgsm", "--goal", "untargeted", "--format", "json")
    measured = {
        (row["source"], row["target"]) for row in json.loads(table.out)["rows"] if row["images"]
    }
    assert ("efficientnet_lite0", "efficientnet_lite1") in measured
    assert ("efficientnet_lite1", "efficientnet_lite0") in measured


def test_what_is_not_installed_is_said(harness, absent: None) -> None:
    done = harness("doctor", "--suite", "photos", "--format", "json")
    rows = json.loads(done.out)
    rows = rows if isinstance(rows, list) else rows["rows"]
    assert done.code == 3
    assert [row["state"] for row in rows] == ["missing"] * 4
    assert {row["how"] for row in rows} == {packages.INSTALL}
    refused = harness("run", "--suite", "photos")
    assert refused.code == 3
    assert packages.INSTALL in refused.err


def test_another_file_of_weights_is_refused(
    harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of the same name with another file in it."""
    package, name = packages.WEIGHTS[NAMES[0]]
    file = tmp_path / "site" / package / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"PK\x03\x04")
    (tmp_path / "site" / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    importlib.invalidate_caches()
    done = harness("doctor", "--suite", "photos", "--models", NAMES[0])
    assert done.code == 3
    assert "have SHA-256" in done.out
    assert "not 579344248a93" in done.out
