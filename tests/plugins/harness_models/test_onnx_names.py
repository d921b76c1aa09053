"""Files of one name, as hubs have them, are models of their own on a board."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from test_onnx_loader import tiny

from harness.errors import ConfigError
from harness.identity import file_sha256
from harness.plugins import installed
from harness.registry import load
from harness.resolve.models import choose_models
from harness.resolve.request import Request, with_stored_names
from harness.store.database import open_writable


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """Choose models, files in folders ``a`` and ``b``; names and notes."""
    monkeypatch.chdir(tmp_path)
    for folder, classes in (("a", 10), ("b", 10), ("c/b", 11)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "model.onnx").write_bytes(tiny(classes=classes).SerializeToString())
    (tmp_path / "b" / "model.onnx").write_bytes(tiny(classes=9).SerializeToString())
    registry = load([])
    suite = registry.get_suite("digits18")

    def choose(*models, known=None):
        request = Request(suite=suite.name, models=[f"onnx:{m}" for m in models], known=known or {})
        choice = choose_models(request, suite, registry, installed())
        return [entry.name for entry in choice.models], "\n".join(choice.notes)

    return choose


def sha(path):
    return frozenset({file_sha256(path)})


def test_two_in_one_run(chosen, tmp_path):
    names, notes = chosen("a/model.onnx", "b/model.onnx", "c/b/model.onnx")
    digest = file_sha256(tmp_path / "c/b/model.onnx")[:8]
    assert names == ["onnx:model.onnx", "onnx:b/model.onnx", f"onnx:b/model.onnx@{digest}"]
    assert "onnx:model.onnx is another model already" in notes
    assert f"{tmp_path}/b/model.onnx is called onnx:b/model.onnx" in notes
    with pytest.raises(ConfigError, match="two models are called"):
        chosen("a/model.onnx", "a/model.onnx")


def test_one_after_the_other(chosen, tmp_path):
    a, b = sha(tmp_path / "a/model.onnx"), sha(tmp_path / "b/model.onnx")
    assert chosen("a/model.onnx", known={"onnx:model.onnx": a})[0] == ["onnx:model.onnx"]
    names, notes = chosen("b/model.onnx", known={"onnx:model.onnx": a})
    assert (names, "is called" in notes) == (["onnx:b/model.onnx"], True)
    known = {"onnx:model.onnx": a, "onnx:b/model.onnx": b}
    assert chosen("b/model.onnx", known=known)[0] == ["onnx:b/model.onnx"]
    # Rows that were merged under one name before part when they run again.
    assert chosen("a/model.onnx", known={"onnx:model.onnx": a | b})[0] == ["onnx:a/model.onnx"]


def test_what_names_stand_for_is_asked_of_the_database(tmp_path):
    path, model = tmp_path / "h.db", "onnx:model.onnx"
    asked = Request(suite="digits18", models=["onnx:a/model.onnx"])
    assert with_stored_names(asked, path) == asked  # there is none
    db = open_writable(path)
    with db.atomic():
        for weights in ("v1", "v2"):
            db["components"].insert(
                {"kind": "model", "name": model, "digest": weights, "about": "{}",
                 "identity": json.dumps({"weights": weights})}
            )  # fmt: skip
    db.close()
    assert with_stored_names(asked, path).known == {model: frozenset({"v1", "v2"})}
    registered = replace(asked, models=["digits-alexnet"])
    assert with_stored_names(registered, path) == registered
