"""Models whose weights have several sources, and files in the folder of imported models."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from harness.api import Cut, Preprocessing
from harness.errors import ConfigError, MissingError
from harness.plugins import installed
from harness.registry import ModelEntry, load, models_folder
from harness.resolve.components import found_model

MODEL = """\
models:
  mine:
    family: Own
    classes: 10
    preprocessing: {size: [32, 32], background: 0}
    published: {top1: 12}
    sources:
      near:
        loader: digits
        architecture: digits-vgg16
        preprocessing:
          size: [32, 32]
          mean: [0.5, 0.5, 0.5]
          cut: {crop: 0.875, interpolation: bicubic}
        fidelity: nearest
        bytes: 7
        licence: free
      paper:
        loader: onnx
        weights: {cached: mine.onnx}
        options: {output: x}
        fidelity: same_weights
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "overlay.yaml"
    path.write_text(MODEL)
    return path


@pytest.fixture
def model(file: Path) -> ModelEntry:
    return load([file]).get_model("mine")


def test_a_chosen_source_stands_in_the_entry(model: ModelEntry, file: Path) -> None:
    near, paper = model.chosen("near"), model.chosen("paper")
    assert (near.loader, near.architecture) == ("digits", "digits-vgg16")
    assert near.preprocessing == Preprocessing(
        (32, 32), mean=(0.5, 0.5, 0.5), cut=Cut(0.875, "bicubic")
    )
    assert (near.source_name, near.fidelity) == ("near", "nearest")
    assert near.chosen_source is not None
    assert (near.chosen_source.bytes, near.chosen_source.licence) == (7, "free")
    assert (paper.loader, paper.architecture, paper.options) == ("onnx", "mine", {"output": "x"})
    assert paper.preprocessing == Preprocessing((32, 32), background=0)
    assert (paper.source_name, paper.fidelity) == ("paper", "same_weights")
    for each in (near, paper):
        assert (each.name, each.file, each.source) == ("mine", file, f"{file}:2")
        assert (each.family, each.published.top1, each.classes) == ("Own", 12, 10)
        assert each.spec(None).architecture == each.architecture
        assert each.chosen(None) is each


def test_the_first_source_counts(model: ModelEntry) -> None:
    assert model.chosen(None).source_name == "near"
    assert model.loader == "digits"
    assert (model.source_name, model.fidelity, model.chosen_source) == (None, None, None)


def test_a_source_that_is_not_there_is_one_line(model: ModelEntry, file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        model.chosen("hub")
    assert str(caught.value) == (
        f"{file}:2: model 'mine' has no source 'hub'; its sources: near, paper"
    )
    vgg = load().get_model("digits-vgg16")
    assert vgg.chosen(None) is vgg
    with pytest.raises(ConfigError, match="its loader is fixed"):
        vgg.chosen("hub")


def test_a_cached_file_lies_in_the_folder_of_imported_models(
    model: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model.chosen("near").weights_path is None
    paper = model.chosen("paper")
    monkeypatch.delenv("HARNESS_IMPORTED", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models_folder() == tmp_path / ".cache" / "frontier-harness" / "models"
    assert paper.weights_path == models_folder() / "mine.onnx"
    monkeypatch.setenv("HARNESS_IMPORTED", str(tmp_path / "imported"))
    assert paper.weights_path == tmp_path / "imported" / "mine.onnx"


WRONG = {
    "neither": (
        "{family: Own, classes: 10, preprocessing: {size: [8, 8]}}",
        "has neither a loader nor sources: give one; correct it",
    ),
    "both": (
        "{loader: onnx, family: Own, classes: 10, preprocessing: {size: [8, 8]}, "
        "sources: {a: {loader: onnx, fidelity: nearest}}}",
        "has sources and loader: loader belongs in each source; correct it",
    ),
    "weights beside sources": (
        "{family: Own, classes: 10, preprocessing: {size: [8, 8]}, weights: {file: x}, "
        "sources: {a: {loader: onnx, fidelity: nearest}}}",
        "has sources and weights: weights belongs in each source; correct it",
    ),
    "no fidelity": (
        "{family: Own, classes: 10, preprocessing: {size: [8, 8]}, sources: {a: {loader: onnx}}}",
        "models.mine.sources.a.fidelity: the field is missing; add it",
    ),
    "wrong fidelity": (
        "{family: Own, classes: 10, preprocessing: {size: [8, 8]}, "
        "sources: {a: {loader: onnx, fidelity: same}}}",
        "models.mine.sources.a.fidelity: input should be 'same_weights' or 'nearest', "
        "it is 'same'; did you mean 'same_weights'?",
    ),
    "two places": (
        "{loader: onnx, family: Own, classes: 10, preprocessing: {size: [8, 8]}, "
        "weights: {file: a, cached: b}}",
        "models.mine.weights: names two places: give file or cached, not both; correct it",
    ),
    "name of a source": (
        "{family: Own, classes: 10, preprocessing: {size: [8, 8]}, "
        "sources: {'a,b': {loader: onnx, fidelity: nearest}}}",
        "'a,b' is not a name; use letters, digits, . _ + and - only, 200 at most",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(tmp_path: Path, case: str) -> None:
    text, message = WRONG[case]
    path = tmp_path / "overlay.yaml"
    path.write_text(f"models:\n  mine: {dedent(text)}\n")
    with pytest.raises(ConfigError) as caught:
        load([path])
    line = str(caught.value)
    assert line.startswith(f"{path}:2: models.mine")
    assert line.endswith(message)


def test_a_component_says_where_its_weights_come_from(model: ModelEntry, file: Path) -> None:
    component, (_, spec) = found_model(model.chosen("near"), installed())
    assert (component.about["source"], component.about["fidelity"]) == ("near", "nearest")
    assert spec.weights is not None
    assert spec.weights.name == "digits-vgg16.safetensors"
    with pytest.raises(MissingError, match=r"mine\.onnx"):
        found_model(model.chosen("paper"), installed())


def test_the_same_network_has_the_same_identity_with_and_without_sources(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_text(
        dedent("""\
        models:
          mine:
            family: VGG
            classes: 10
            preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
            sources:
              own: {loader: digits, architecture: digits-vgg16, fidelity: same_weights}
        """)
    )
    registry = load([path])
    mine, _ = found_model(registry.get_model("mine"), installed())
    vgg, _ = found_model(registry.get_model("digits-vgg16"), installed())
    assert mine.identity == vgg.identity
    assert (vgg.about["source"], vgg.about["fidelity"]) == (None, None)
