"""The hash of a model's weights: of the file, and of the files that it needs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import yaml

from harness.api import (
    Classifier,
    MissingError,
    ModelError,
    ModelLoader,
    ModelSpec,
    PluginError,
)
from harness.registry import ModelEntry, load
from harness.resolve.weights import CheckedWeights, checked_weights

MODEL = {"loader": "x", "family": "F", "classes": 2, "preprocessing": {"size": [8, 8]}}


class Loader(ModelLoader):
    """Needs every file beside the weights whose name ends in .data."""

    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        assert spec.weights is not None
        return tuple(sorted(spec.weights.parent.glob("*.data")))

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        raise NotImplementedError


class Alone(Loader):
    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        return super(Loader, self).files(spec)


class Broken(Loader):
    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        raise RuntimeError("oh")


class Refusing(Loader):
    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        raise ModelError("no")


def entry(folder: Path, **weights: str) -> ModelEntry:
    model = MODEL | {"weights": {"file": "w.bin"} | weights}
    (folder / "r.yaml").write_text(yaml.safe_dump({"models": {"m": model}}))
    return load([folder / "r.yaml"]).models["m"]


def test_the_hash_covers_the_file_and_those_that_it_needs(tmp_path: Path) -> None:
    for name, content in (("w.bin", b"graph"), ("a.data", b"one"), ("b.data", b"two")):
        (tmp_path / name).write_bytes(content)
    alone = hashlib.sha256(b"graph").hexdigest()
    both = hashlib.sha256(b"graphonetwo").hexdigest()
    assert checked_weights(entry(tmp_path), Alone()) == CheckedWeights(tmp_path / "w.bin", alone)
    assert checked_weights(entry(tmp_path), Loader()) == CheckedWeights(tmp_path / "w.bin", both)
    assert checked_weights(entry(tmp_path, sha256=both), Loader()).sha256 == both
    with pytest.raises(MissingError, match=r"w.bin and .*a.data and .*b.data have SHA-256"):
        checked_weights(entry(tmp_path, sha256=alone), Loader())
    (tmp_path / "b.data").write_bytes(b"2")
    os.utime(tmp_path / "b.data", ns=(1, 1))
    changed = hashlib.sha256(b"graphone2").hexdigest()
    assert checked_weights(entry(tmp_path), Loader()).sha256 == changed


def test_a_pipe_is_no_weight_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.bin")
    with pytest.raises(MissingError, match=r"models.m: weights .*w.bin are not a file"):
        checked_weights(entry(tmp_path), Loader())


def test_a_loader_that_cannot_say_which_files_it_needs(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"graph")
    with pytest.raises(PluginError, match="loader 'x' raised RuntimeError: oh"):
        checked_weights(entry(tmp_path), Broken())
    with pytest.raises(ModelError, match="no"):
        checked_weights(entry(tmp_path), Refusing())
