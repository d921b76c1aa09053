"""Training seeds of a model: entries of their own, that no glob of models means by chance."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ConfigError, MissingError
from harness.registry import Registry, load
from harness.resolve.components import find_weights

MODEL = """
models:
  net:
    loader: digits
    architecture: digits-alexnet
    classes: 10
    preprocessing: {size: [32, 32]}
    published: {top1: 50}
    seeds:
      s1: {file: one.safetensors, sha256: SHA}
      s2: {file: two.safetensors}
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Registry]:
    def write(text: str) -> Registry:
        path = tmp_path / "overlay.yaml"
        path.write_text(text)
        return load([path])

    return write


def test_each_seed_is_an_entry_behind_its_model(written: Callable[[str], Registry]) -> None:
    registry = written(MODEL.replace("SHA", "ab" * 32))
    names = list(registry.models)
    assert names[-3:] == ["net", "net.s1", "net.s2"]
    one = registry.models["net.s1"]
    assert (one.seed_of, one.seed, one.architecture) == ("net", "s1", "digits-alexnet")
    assert one.spec(None).seed == "s1"
    assert registry.models["net"].spec(None).seed is None
    assert one.weights_path == one.file.parent / "one.safetensors"
    assert one.published.top1 is None
    assert one.source.endswith("overlay.yaml:10")


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("n*", ["net"]),
        ("net", ["net"]),
        ("net.s2", ["net.s2"]),
        ("net.*", ["net.s1", "net.s2"]),
        ("n*.s1", ["net.s1"]),
        ("*.s[12]", ["net.s1", "net.s2"]),
    ],
)
def test_a_glob_means_seeds_where_it_has_a_part_for_them(
    written: Callable[[str], Registry], glob: str, names: list[str]
) -> None:
    registry = written(MODEL.replace("SHA", "ab" * 32))
    mine = Registry({n: m for n, m in registry.models.items() if n.startswith("net")}, {}, {})
    assert [model.name for model in mine.match_models([glob])] == names


def test_the_file_of_a_seed_is_checked(written: Callable[[str], Registry], tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    good = written(MODEL.replace("SHA", right)).models["net.s1"]
    from harness.plugins import installed

    assert find_weights(good, installed()).sha256 == right
    bad = written(MODEL.replace("SHA", "ab" * 32)).models["net.s1"]
    with pytest.raises(MissingError, match="have SHA-256"):
        find_weights(bad, installed())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("s1: ", "a.b: "), "has a seed 'a.b': leave out the dot"),
        (("classes: 10", "classes: 10\n    seed_of: other"), "has seeds and seed_of"),
        (
            ("models:", "models:\n  net.s2: {loader: onnx, classes: 2, preprocessing: {size: 32}}"),
            "model 'net.s2' has an entry of its own",
        ),
    ],
)
def test_wrong_seeds(
    written: Callable[[str], Registry], change: tuple[str, str], message: str
) -> None:
    text = MODEL.replace("SHA", "ab" * 32).replace(*change).replace("size: 32}", "size: [32, 32]}")
    with pytest.raises(ConfigError, match="overlay") as caught:
        written(text)
    assert message in str(caught.value)
