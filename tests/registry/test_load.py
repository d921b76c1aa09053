"""Loading the registry: what its files say, whose entry counts, and where they are found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_toy import MODEL, SUITE, Overlay

import harness
from harness.api import Goal, Preprocessing
from harness.errors import ConfigError
from harness.registry import Registry, load
from harness.registry.entries import Origin


def test_the_built_in_registry_holds_the_study_in_small() -> None:
    registry = load()
    digits = [model.name for model in registry.match_models(["digits-*"])]
    assert len(digits) == 18
    assert digits[0] == "digits-alexnet"
    assert digits[-1] == "digits-nasnet_large"
    families = [registry.models[name].family for name in digits]
    # In the order of the paper's Table 1: AlexNet, VGG x2, Inception x5, ResNet x3, ...
    assert list(dict.fromkeys(families)) == [
        "AlexNet", "VGG", "Inception", "ResNet", "DenseNet", "MobileNet", "NASNet"
    ]  # fmt: skip
    assert [families.count(family) for family in dict.fromkeys(families)] == [1, 2, 5, 3, 3, 3, 1]
    suite = registry.get_suite("digits18-full")
    assert [model.name for model in registry.match_models(suite.models)] == digits
    assert suite.images is None or suite.images >= 60
    assert suite.accuracy_images is None
    assert list(dict.fromkeys(each.attack for each in suite.attacks)) == [
        "fgsm", "ifgsm", "cw", "ead"
    ]  # fmt: skip
    (search,) = [each for each in suite.attacks if each.parameters.get("epsilon") == "search"]
    assert search.goals == (Goal.RANDOM, Goal.LEAST_LIKELY)
    assert (search.parameters["attempts"], search.parameters["steps"]) == (9, 10)
    # The study's transfer panels: FGSM, I-FGSM at three epsilons, C&W and EAD-L1.
    kept = [each for each in suite.attacks if each.keep]
    assert {each.attack for each in kept} == {"fgsm", "ifgsm", "cw", "ead"}
    panels = [each for each in kept if each.attack == "ifgsm"]
    assert {each.parameters["epsilon"] for each in panels} == {0.1, 0.2, 0.3}
    assert all(each.goals == (Goal.UNTARGETED, Goal.RANDOM) for each in kept)
    assert suite.transfer is not None
    names = [each.measurement for each in suite.measurements]
    assert names == ["clever", "divergence", "surface", "surface"]
    assert {"accuracy", "success", "linf", "l2", "l1"} <= set(suite.metrics)


def test_an_entry_says_what_its_file_says(overlay: Overlay) -> None:
    path = overlay(MODEL)
    model = load([path]).get_model("mine")

    assert (model.name, model.architecture, model.loader) == ("mine", "mine", "onnx")
    assert model.source == f"{path}:2"
    expected = Preprocessing(size=(8, 9), std=(0.5, 0.5, 1.0), channels="bgr", background=0)
    assert model.preprocessing == expected
    assert model.weights_path == path.parent / "nets/mine.onnx"
    spec = model.spec(Path("checked"))
    assert (spec.name, spec.weights, spec.classes) == ("mine", Path("checked"), 10)
    assert spec.preprocessing == expected


def test_entries_are_frozen(overlay: Overlay) -> None:
    registry = load([overlay(MODEL)])
    with pytest.raises(ValueError, match="frozen"):
        registry.models["mine"].classes = 3
    with pytest.raises(TypeError):
        registry.models["other"] = registry.models["mine"]  # type: ignore[index]


def test_attacks_know_their_lines(overlay: Overlay) -> None:
    path = overlay(SUITE)
    suite = load([path]).get_suite("own")
    assert [attack.source for attack in suite.attacks] == [f"{path}:7", f"{path}:9"]


def test_data_sets_lie_beside_their_file_unless_the_user_says_so(overlay: Overlay) -> None:
    path = overlay("datasets: {d: {reader: folder, version: '2', classes: 2, root: images}}")
    dataset = load([path]).get_dataset("d")
    assert dataset.spec(None).root == path.parent / "images"
    assert dataset.spec(Path("/elsewhere")).root == Path("/elsewhere")


def test_a_later_file_replaces_whole_entries_in_place(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(MODEL + "    notes: first\n    layers: 3\n")
    two.write_text(MODEL + "    notes: second\n")
    vgg = MODEL.replace("mine", "digits-vgg16")
    (tmp_path / "three.yaml").write_text(vgg)

    registry = load([one, two, tmp_path / "three.yaml"])

    assert registry.models["mine"].notes == "second"
    assert registry.models["mine"].layers is None  # replaced, not merged
    assert registry.models["digits-vgg16"].family == "Own"
    builtin = list(load().models)
    assert list(registry.models) == [*builtin, "mine"]  # the place of the first mention
    assert load([two, one]).models["mine"].notes == "first"


def test_a_suite_may_use_another_files_models(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MODEL)
    (tmp_path / "suite.yaml").write_text(SUITE.replace('"digits-vgg*"', "mine, digits-vgg16"))

    registry = load([tmp_path / "suite.yaml", tmp_path / "models.yaml"])

    chosen = registry.match_models(registry.get_suite("own").models)
    assert [model.name for model in chosen] == ["digits-vgg16", "mine"]


def test_anchors_and_merges_work(overlay: Overlay) -> None:
    path = overlay(
        MODEL.replace("mine:", "mine: &base") + "  other:\n    <<: *base\n    family: Else\n"
    )
    registry = load([path])
    assert registry.models["other"].family == "Else"
    assert registry.models["other"].classes == 10


@pytest.mark.parametrize(
    ("kind", "wrong", "line"),
    [
        ("model", "digits-alexnt", "unknown model 'digits-alexnt'; did you mean 'digits-alexnet'?"),
        ("dataset", "digts", "unknown dataset 'digts'; did you mean 'digits'?"),
        ("suite", "digits81", "unknown suite 'digits81'; did you mean 'digits18'?"),
    ],
)
def test_unknown_names(kind: str, wrong: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        getattr(load(), f"get_{kind}")(wrong)
    assert str(caught.value) == line


@given(st.lists(st.text("ab*?[-]", min_size=1, max_size=4), max_size=4))
def test_globs_choose_in_the_registrys_order(globs: list[str]) -> None:
    """Each glob matches something or is refused; the choice is a subsequence of the registry."""
    some = next(iter(load().models.values()))
    names = ["b", "a", "ab", "ba", "aab", "b-a"]
    models = {name: some.model_copy() for name in names}
    for name, model in models.items():
        model.place(Origin(name, some.file, 1))
    registry = Registry(models, {}, {})
    barren = [glob for glob in globs if not any(fnmatchcase(name, glob) for name in names)]
    if barren:
        with pytest.raises(ConfigError, match="unknown model"):
            registry.match_models(globs)
        return
    expected = sum(any(fnmatchcase(name, glob) for glob in globs) for name in names)
    assert len(registry.match_models(globs)) == expected


@pytest.mark.parametrize("layout", ["wheel", "checkout", "neither", "both"])
def test_where_the_built_in_registry_is_found(layout: str, tmp_path: Path) -> None:
    """Inside the package where a wheel puts it; beside the package in a checkout."""
    package = Path(harness.__file__).parent
    shutil.copytree(package, tmp_path / "harness", ignore=shutil.ignore_patterns("*.pyc", "*.yaml"))
    places = {"wheel": ["harness"], "checkout": ["."], "neither": [], "both": [".", "harness"]}
    for place in places[layout]:
        (tmp_path / place / "registry.yaml").write_text(MODEL)
    program = "import harness.registry as r; print(r.builtin()); print('mine' in r.load().models)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if layout == "neither":
        assert "the built-in registry.yaml is missing; reinstall the harness" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    folder = tmp_path if layout == "checkout" else tmp_path / "harness"
    assert done.stdout.splitlines() == [str(folder / "registry.yaml"), "True"]
