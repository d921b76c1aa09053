"""One exact line for everything that is wrong in a registry file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_toy import MODEL, SUITE, Overlay, complaint

from harness.errors import ConfigError
from harness.registry import load
from harness.registry.document import Document

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
