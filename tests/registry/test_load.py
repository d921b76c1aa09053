"""Loading the registry: what is right, and one exact line for everything that is wrong."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import dedent
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.api import Goal, Preprocessing
from harness.errors import ConfigError, ExitCode
from harness.registry import Registry, load
from harness.registry.document import Document
from harness.registry.entries import Origin

MODEL = """\
models:
  mine:
    loader: onnx
    family: Own
    classes: 10
    preprocessing: {size: [8, 9], std: [0.5, 0.5, 1], channels: bgr, background: 0}
    weights: {file: nets/mine.onnx}
"""
SUITE = """\
suites:
  own:
    dataset: digits
    models: ["digits-vgg*"]
    metrics: [accuracy]
    attacks:
      - attack: fgsm
        goals: [untargeted]
      - attack: ifgsm
        goals: [random, least-likely]
        parameters: {steps: 3}
"""

Overlay = Callable[[str], Path]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    def write(text: str) -> Path:
        path = tmp_path / "overlay.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


def complaint(path: Path) -> str:
    """The one line, from the file's name on."""
    with pytest.raises(ConfigError) as caught:
        load([path])
    assert caught.value.exit_code == ExitCode.USAGE
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}")
    return line.removeprefix(str(path.parent) + "/")


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


WRONG = {
    "type": (
        MODEL.replace("classes: 10", "classes: ten"),
        "overlay.yaml:5: models.mine.classes: must be a whole number, it is 'ten'; "
        "write it without quotes",
    ),
    "quoted number": (
        MODEL.replace("classes: 10", 'classes: "10"'),
        "overlay.yaml:5: models.mine.classes: must be a whole number, it is '10'; "
        "write it without quotes",
    ),
    "number for text": (
        MODEL.replace("family: Own", "family: 7"),
        "overlay.yaml:4: models.mine.family: must be text, it is 7; put it in quotes",
    ),
    "bound": (
        MODEL.replace("classes: 10", "classes: 1"),
        "overlay.yaml:5: models.mine.classes: input should be greater than or equal to 2, "
        "it is 1; correct it",
    ),
    "choice": (
        MODEL.replace("channels: bgr", "channels: bgrr"),
        "overlay.yaml:6: models.mine.preprocessing.channels: input should be 'rgb', 'bgr' or "
        "'grey', it is 'bgrr'; did you mean 'bgr'?",
    ),
    "list item": (
        MODEL.replace("[0.5, 0.5, 1]", "[0.5, 0, 1]"),
        "overlay.yaml:6: models.mine.preprocessing.std[1]: input should be greater than or equal "
        "to 0.000001, it is 0; correct it",
    ),
    "absurd scale": (
        MODEL.replace("[0.5, 0.5, 1]", "[0.5, 1.0e+30, 1]"),
        "overlay.yaml:6: models.mine.preprocessing.std[1]: input should be less than or equal to "
        "1000, it is 1e+30; correct it",
    ),
    "negative scale": (
        MODEL.replace("[0.5, 0.5, 1]", "[0.5, -0.5, 1]"),
        "overlay.yaml:6: models.mine.preprocessing.std[1]: input should be greater than or equal "
        "to 0.000001, it is -0.5; correct it",
    ),
    "absurd size": (
        MODEL.replace("[8, 9]", "[8, 1000000]"),
        "overlay.yaml:6: models.mine.preprocessing.size[1]: input should be less than or equal to "
        "4096, it is 1000000; correct it",
    ),
    "absurd classes": (
        MODEL.replace("classes: 10", "classes: 1000000000000"),
        "overlay.yaml:5: models.mine.classes: input should be less than or equal to 1000000, "
        "it is 1000000000000; correct it",
    ),
    "short list": (
        MODEL.replace("[0.5, 0.5, 1]", "[0.5, 1]"),
        "overlay.yaml:6: models.mine.preprocessing: std has 2 numbers for 3 channels: give one, "
        "or 3; correct it",
    ),
    "scalar for a list": (
        SUITE.replace('["digits-vgg*"]', "digits-vgg16"),
        "overlay.yaml:4: suites.own.models: must be a list, it is 'digits-vgg16'; "
        "write it as [..., ...]",
    ),
    "list for an entry": (
        "models:\n  mine: [1]\n",
        "overlay.yaml:2: models.mine: must be a block of fields, it is a list; "
        "write it as one, or as {field: value}",
    ),
    "missing": (
        MODEL.replace("    classes: 10\n", ""),
        "overlay.yaml:2: models.mine.classes: the field is missing; add it",
    ),
    "unknown field": (
        MODEL.replace("weights:", "wieghts:"),
        "overlay.yaml:7: models.mine.wieghts: unknown field 'wieghts'; did you mean 'weights'?",
    ),
    "unknown inner field": (
        MODEL.replace("size:", "sizes: 1, size:"),
        "overlay.yaml:6: models.mine.preprocessing.sizes: unknown field 'sizes'; "
        "did you mean 'size'?",
    ),
    "unknown field of an attack": (
        SUITE.replace("goals: [untargeted]", "goal: [untargeted]\n        goals: [untargeted]"),
        "overlay.yaml:8: suites.own.attacks[0].goal: unknown field 'goal'; did you mean 'goals'?",
    ),
    "name is no field": (
        MODEL + "    name: mine\n",
        "overlay.yaml:8: models.mine.name: unknown field 'name'; known here: loader,"
        " architecture, family, training, year, layers, parameters, classes, preprocessing,"
        " weights, sources, published, notes, options, code, seeds, seed_of",
    ),
    "unknown section": (
        "modells: {}\n",
        "overlay.yaml:1: modells: unknown field 'modells'; did you mean 'models'?",
    ),
    "several": (
        MODEL.replace("family: Own", "family: 7").replace("classes: 10", "classes: x"),
        "overlay.yaml:4: models.mine.family: must be text, it is 7; put it in quotes (and 1 more)",
    ),
    "goal": (
        SUITE.replace("least-likely", "least-likly"),
        "overlay.yaml:10: suites.own.attacks[1].goals[1]: input should be 'untargeted', "
        "'random', 'least-likely' or 'second-likely', it is 'least-likly'; correct it",
    ),
    "goal twice": (
        SUITE.replace("random, least-likely", "random, random"),
        "overlay.yaml:10: suites.own.attacks[1].goals: the list names something twice, "
        "it is a list; correct it",
    ),
    "entry name": (
        MODEL.replace("mine:", '"a,b":'),
        "overlay.yaml:2: models.a,b: 'a,b' is not a name; use letters, digits, . _ + and - only, "
        "200 at most",
    ),
    "not JSON-like": (
        MODEL + "    options:\n      day: 2020-01-02\n",
        "overlay.yaml:9: models.mine.options.day: input was not a valid JSON value, "
        "it is a date; correct it",
    ),
    "not a number": (
        MODEL.replace("std: [0.5", "std: [.nan"),
        "overlay.yaml:6: models.mine.preprocessing.std[0]: input should be a finite number, "
        "it is nan; correct it",
    ),
    "hash": (
        MODEL.replace("mine.onnx", "mine.onnx, sha256: ABC"),
        "overlay.yaml:7: models.mine.weights.sha256: string should match pattern "
        "'^[0-9a-f]{64}$', it is 'ABC'; correct it",
    ),
    "duplicate key": (
        MODEL + "    loader: digits\n",
        "overlay.yaml:8: duplicate key 'loader', first on line 3; remove or rename one of them",
    ),
    "duplicate entry": (
        MODEL + MODEL.partition("\n")[2],
        "overlay.yaml:8: duplicate key 'mine', first on line 2; remove or rename one of them",
    ),
    "key is no text": (
        "models:\n  2012: {}\n",
        "overlay.yaml:2: key '2012' is not text; put it in quotes",
    ),
    "syntax": (
        "models:\n  mine: [1, 2\nsuites: {}\n",
        "overlay.yaml:3: not valid YAML: did not find expected ',' or ']'; "
        "correct the file's syntax",
    ),
    "tab": (
        "models:\n\tmine: {}\n",
        "overlay.yaml:2: not valid YAML: found character that cannot start any token; "
        "correct the file's syntax",
    ),
    "python object": (
        "models: !!python/object/apply:os.system [echo no]\n",
        "overlay.yaml:1: not valid YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'; correct the file's syntax",
    ),
    "two documents": (
        "models: {}\n---\nsuites: {}\n",
        "overlay.yaml:2: not valid YAML: but found another document; correct the file's syntax",
    ),
    "list at the top": (
        "- models\n",
        "overlay.yaml:1: the top level is a list, not a mapping; "
        "start with the sections models:, datasets: or suites:",
    ),
    "text at the top": (
        "models\n",
        "overlay.yaml:1: the top level is a single value, not a mapping; "
        "start with the sections models:, datasets: or suites:",
    ),
    "empty": (
        "# nothing\n",
        "overlay.yaml:1: the top level is empty, not a mapping; "
        "start with the sections models:, datasets: or suites:",
    ),
    "endless alias": (
        MODEL + "    options: &a\n      b: [*a]\n",
        "overlay.yaml:8: an alias contains itself; write the value out",
    ),
    "too deep": (
        "models: " + "[" * 100 + "]" * 100 + "\n",
        "overlay.yaml:1: nested too deeply; write the value out",
    ),
    "impossible date": (
        "models: {a: 2020-13-41}\n",
        "overlay.yaml:1: not valid YAML: '2020-13-41' is no timestamp (in quotes it would be text)"
        "; correct the file's syntax",
    ),
    "unknown dataset": (
        SUITE.replace("dataset: digits", "dataset: digit"),
        "overlay.yaml:3: suites.own.dataset: unknown dataset 'digit'; did you mean 'digits'?",
    ),
    "unknown model": (
        SUITE.replace('["digits-vgg*"]', "[digits-alexnet, digits-vgg_16]"),
        "overlay.yaml:4: suites.own.models[1]: unknown model 'digits-vgg_16'; "
        "did you mean 'digits-vgg16'?",
    ),
    "glob without matches": (
        SUITE.replace('["digits-vgg*"]', '\n    - digits-alexnet\n    - "zzz*"'),
        "overlay.yaml:6: suites.own.models[1]: unknown model 'zzz*'; see `harness models list`",
    ),
}


def laughs(levels: int, wide: int) -> str:
    """``levels`` of ``wide`` aliases each: wide ** levels values in a few hundred bytes."""
    lines = ["    options:", "      a0: &a0 [1]"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * wide)
        lines.append(f"      a{level}: &a{level} [{aliases}]")
    return MODEL + "\n".join(lines) + "\n"


def merges(levels: int, wide: int) -> str:
    """The same of merge keys."""
    lines = ["    options:", "      a0: &a0 {b: 1}"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * wide)
        lines.append(f"      a{level}: &a{level} {{c{level}: 1, <<: [{aliases}]}}")
    return MODEL + "\n".join(lines) + "\n"


BOMBS = {
    "aliases": (laughs(9, 9), r"overlay.yaml:15: holds more than 200,000 values with its aliases"),
    "merge keys": (merges(12, 9), r"overlay.yaml:14: holds more than 200,000 values"),
    "aliases below aliases": (laughs(60, 1), r"overlay.yaml:\d+: nested too deeply; write"),
    "merges below merges": (merges(60, 1), r"overlay.yaml:\d+: nested too deeply; write"),
    "brackets": ("models: " + "[" * 100_000, r"overlay.yaml:1: nested too deeply; write"),
    "braces": ("models: " + "{a: " * 100_000, r"overlay.yaml:1: nested too deeply; write"),
    "dashes": ("models:\n" + "- " * 100_000, r"overlay.yaml:2: nested too deeply; write"),
    "values": (
        "models: [" + "1, " * 300_000 + "]",
        r"overlay.yaml:1: holds more than 200,000 values",
    ),
    "long text": (
        MODEL.replace("classes: 10", "classes: " + "x" * 5_000_000),
        r"overlay.yaml:5: models.mine.classes: must be a whole number, it is 'xx.* \[\.\.\.\] xx",
    ),
    "long name": (
        MODEL.replace("mine:", "? " + "x" * 5_000_000 + "\n  :"),
        r"overlay.yaml:2: models.xx.* is not a name; use letters, digits, . _ \+ and - only",
    ),
    "long attack": (
        SUITE.replace("attack: fgsm", "attack: " + "x" * 900),
        r"overlay.yaml:7: suites.own.attacks\[0\].attack: string should have at most 200 character",
    ),
    "long field": (
        MODEL + "    ? " + "y" * 5_000_000 + "\n    : 1\n",
        r"overlay.yaml:8: models.mine.yyy.* unknown field 'yy.*yy'; known here: loader",
    ),
    "large file": ("#" * 17_000_000, r"overlay.yaml: the registry file has 17,000,000 bytes, more"),
    "large number": (
        MODEL.replace("classes: 10", "classes: " + "9" * 5_000),
        r"overlay.yaml:5: not valid YAML: '999.*999' is no int \(in quotes",
    ),
    "NUL": (MODEL + '    notes: "a\\0b"\n', r"overlay.yaml:8: the text holds a NUL; remove it"),
    "no bool": (MODEL + "    notes: !!bool maybe\n", r"overlay.yaml:8: .*'maybe' is no bool"),
    "no date": (MODEL + "    notes: !!timestamp x\n", r"overlay.yaml:8: .*'x' is no timestamp"),
    "no number": (MODEL + '    notes: !!int ""\n', r"overlay.yaml:8: .*'' is no int"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_would_explode_is_refused_in_one_short_line(case: str, overlay: Overlay) -> None:
    text, expected = BOMBS[case]
    started = process_time()
    line = complaint(overlay(text))
    assert re.match(expected, line), line
    assert len(line) < 2_500
    assert process_time() - started < 20  # it was minutes, or a segmentation fault


def test_ordinary_aliases_are_no_bomb(overlay: Overlay) -> None:
    assert load([overlay(laughs(4, 9))]).models["mine"].options["a1"] == [[1]] * 9
    merged = load([overlay(merges(3, 3))]).models["mine"].options["a3"]
    assert merged == {"b": 1, "c1": 1, "c2": 1, "c3": 1}


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_a_registry_that_is_no_file(kind: str, tmp_path: Path) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "overlay.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    assert complaint(path) == (
        f"{path.name}: the registry file is a pipe, socket or device; name a readable YAML file"
    )


@pytest.mark.parametrize("case", WRONG)
def test_wrong_registries(case: str, overlay: Overlay) -> None:
    text, expected = WRONG[case]
    assert complaint(overlay(text)) == expected


def test_a_merged_field_is_blamed_where_it_stands(overlay: Overlay) -> None:
    text = MODEL.replace("mine:", "mine: &base").replace("classes: 10", "classes: ten")
    path = overlay(text + "  other:\n    <<: *base\n    classes: 3.5\n")
    with pytest.raises(ConfigError):
        load([path])
    document = Document(path)
    assert document.line(("models", "other", "classes")) == 10
    assert document.line(("models", "other", "family")) == 4


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "overlay.yaml") == (
        "overlay.yaml: no such registry file; check the path after --registry"
    )


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").mkdir()
    assert complaint(tmp_path / "overlay.yaml") == (
        "overlay.yaml: the registry file is a folder; name a readable YAML file"
    )


def test_a_file_without_read_permission(
    overlay: Overlay, unprivileged: dict[str, Any], tmp_path: Path
) -> None:
    path = overlay(MODEL)
    path.chmod(0)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "models", "list", "--registry", path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        **unprivileged,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot read the registry file: Permission denied" in done.stderr


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_bytes(b"models: {}\n# caf\xe9\n")
    assert complaint(path) == "overlay.yaml:2: not UTF-8 text; save the file as UTF-8"
    path.write_bytes(b"models: {}\n# \x00\n")
    assert "not valid YAML" in complaint(path)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MODEL.encode())
    assert "mine" in load([path]).models


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


@given(
    keys=st.lists(st.from_regex(r"[a-z]{1,2}", fullmatch=True), min_size=1, max_size=8),
    depth=st.integers(0, 3),
)
def test_a_duplicate_key_is_found_at_any_depth(
    keys: list[str], depth: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "keys.yaml"
    above = [f"{'  ' * level}x{level}:" for level in range(depth)]
    path.write_text("\n".join([*above, *(f"{'  ' * depth}'{key}': 1" for key in keys)]))
    repeats = [n for n, key in enumerate(keys) if key in keys[:n]]
    if not repeats:
        document = Document(path)
        prefix = [f"x{level}" for level in range(depth)]
        lines = [document.line((*prefix, key)) for key in keys]
        assert lines == [depth + n + 1 for n in range(len(keys))]
        return
    key = keys[repeats[0]]
    with pytest.raises(ConfigError) as caught:
        Document(path)
    assert caught.value.where == f"{path}:{depth + repeats[0] + 1}"
    assert caught.value.what == (
        f"duplicate key {key!r}, first on line {depth + keys.index(key) + 1}"
    )


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
