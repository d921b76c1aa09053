"""Training regimes: which words a registry may say."""

from __future__ import annotations

import pytest

from harness import identity
from harness.errors import ConfigError
from harness.plugins import installed
from harness.registry import load
from harness.registry.training import REGIMES
from harness.resolve.components import model_component

MODEL = (
    "models:\n  mine: {{loader: digits, architecture: digits-vgg16, classes: 10, {},\n"
    "    preprocessing: {{size: [32, 32], mean: 0.5, std: 0.5}}}}"
)


def entry(tmp_path, field):
    file = tmp_path / "mine.yaml"
    file.write_text(MODEL.format(field))
    return load([file]).get_model("mine")


@pytest.mark.parametrize("word", [*REGIMES, "adversarial-l2", "random-weights", "mixup2"])
def test_words(tmp_path, word):
    assert entry(tmp_path, f"training: {word}").training == word


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("adverserial", "must be 'adversarial'"),
        ("standart", "must be 'standard'"),
        ("pre-trained", "must be 'pretrained'"),
        ("Adversarial", "lower case"),
        ("two words", "lower case"),
        ("", "at least 1 character"),
        ("[a, b]", "text"),
    ],
)
def test_what_is_refused(tmp_path, word, said):
    with pytest.raises(ConfigError, match=said) as caught:
        entry(tmp_path, f"training: {word or repr('')}")
    assert "mine.yaml:2: models.mine.training" in str(caught.value)


def test_the_default_and_no_part_of_identity(tmp_path):
    found = [entry(tmp_path, f"training: {word}") for word in ("standard", "adversarial")]
    silent = entry(tmp_path, "family: VGG")
    assert silent.training == "standard"
    components = [model_component(each, installed(), None)[0] for each in [silent, *found]]
    assert len({identity.canonical_json(dict(each.identity)) for each in components}) == 1
    assert [each.about["training"] for each in components] == [
        "standard", "standard", "adversarial"
    ]  # fmt: skip
