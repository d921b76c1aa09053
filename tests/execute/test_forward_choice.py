"""Which way forward passes go: it computes the same, is timed once, and pays."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from harness.api import Classifier, Preprocessing
from harness.engine.classifier import PixelClassifier
from harness.engine.forwards import agrees, exported, module_of, predicting
from harness.execute.worker import forward_choice as ways
from harness.execute.worker.forward_choice import TimingCache, chosen, fastest

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    )


def classifier(module: nn.Module, forward=None) -> PixelClassifier:
    made = Classifier(module, Preprocessing((6, 7), (0.5,) * 3, (0.2,) * 3), 4, forward)
    return PixelClassifier(made, device=CPU, fold_batch_norm=True)


def test_an_exported_graph_gives_the_same_logits_for_any_batch():
    model = classifier(network())
    graph = exported(model)
    for count in (1, 2, 9):
        images = torch.rand(count, 3, 6, 7)
        assert torch.allclose(graph.run(images), model.predict(images), atol=1e-5)


def test_what_cannot_be_exported_goes_without():
    class Odd(nn.Module):
        def forward(self, images):
            return torch.fft.fft2(images).real.flatten(1)[:, :4]

    assert exported(classifier(Odd())) is None


def test_a_way_that_computes_something_else_is_none():
    module = network()
    alike = classifier(module, lambda images: module(images))
    other = classifier(module, lambda images: module(images) * 1.001)
    assert agrees(module_of(alike), alike)
    assert not agrees(module_of(other), other)
    assert module_of(classifier(module)) is None  # predictions are the module's own


def test_the_choice_counts_what_exporting_takes():
    timings = {"predict": 2e-3, "module": None, "exported": 1e-3, "export": 3.0}
    assert chosen(timings, 2_000) == "predict"
    assert chosen(timings, 4_000) == "exported"
    assert chosen(timings, 2_000, ready=True) == "exported"
    assert chosen({"predict": 2e-3, "module": 1e-3}, 10) == "module"


@pytest.fixture
def book(tmp_path):
    return TimingCache(tmp_path / "cache" / "ways.json", device="cpu", batch_size=4)


def test_few_images_are_not_timed(book, monkeypatch):
    monkeypatch.setattr(ways, "seconds_an_image", None)
    model = classifier(network())
    forward = fastest(model, "key", book, images=ways.BATCHES * 4 - 1, batch_size=4)
    assert forward == predicting(model)


def test_timings_are_taken_once_and_remembered_by_model_and_place(book, monkeypatch, tmp_path):
    timed = []

    def seconds(forward, model, batch_size):
        timed.append(forward.run)
        return 1.0 if forward.run == model.predict else 0.25

    monkeypatch.setattr(ways, "seconds_an_image", seconds)
    monkeypatch.setattr(ways, "timed_export", lambda model: (exported(model), 8.0))
    model = classifier(network())
    images = torch.rand(2, 3, 6, 7)
    for _ in range(2):
        forward = fastest(model, "key", book, images=1000, batch_size=4)
        assert forward.run != model.predict
        assert torch.allclose(forward.run(images), model.predict(images), atol=1e-5)
        assert len(timed) == 2
    assert book.find("key") == {"predict": 1.0, "module": None, "exported": 0.25, "export": 8.0}
    other = TimingCache(tmp_path / "cache" / "ways.json", device="cpu", batch_size=8)
    assert other.find("key") == {}
    assert other.find("another") == {}


def test_an_export_is_not_tried_where_it_cannot_pay(book, monkeypatch):
    monkeypatch.setattr(ways, "seconds_an_image", lambda *arguments: 1e-5)
    monkeypatch.setattr(ways, "timed_export", None)
    model = classifier(network())
    assert fastest(model, "key", book, images=1000, batch_size=4).run == model.predict
    assert "exported" not in book.find("key")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 1, "places": {"a": {"b": {"c": "d"}}}}']
)
def test_a_damaged_file_is_begun_anew(book, tmp_path, content):
    path = tmp_path / "cache" / "ways.json"
    path.parent.mkdir()
    path.write_text(content)
    assert book.find("key") == {}
    book.keep("key", {"predict": 1.0})
    assert book.find("key") == {"predict": 1.0}
    assert json.loads(path.read_text())["version"] == ways.VERSION
