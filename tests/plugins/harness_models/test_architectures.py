"""Every architecture of the registry that a loader can build, with random weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from harness.api import Classifier, ModelError, ModelLoader
from harness.plugins import Kind, installed
from harness.registry import ModelEntry, load

REGISTRY = load()
HEAVY = {"vgg16", "vgg19", "inception_resnet_v2", "nasnet_large"}

DIFFERENCES = {
    # name: (parameters, why they are more than 5 % from Table 1)
    "mobilenet_v1_025": (470_329, "Table 1 rounds 0.47 M to 0.5 M"),
}


def buildable() -> Iterator[object]:
    for name, entry in REGISTRY.models.items():
        for source, each in entry.sources.items():
            if each.loader not in ("onnx", "slim"):  # slim: against TensorFlow, in its own tests
                marks = [pytest.mark.slow] if name in HEAVY else []
                yield pytest.param(entry.chosen(source), id=f"{name}-{source}", marks=marks)


def loader_of(entry: ModelEntry) -> ModelLoader:
    loader: ModelLoader = installed().get(Kind.MODEL_LOADER, entry.loader).load()()
    return loader


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("entry", list(buildable()))
def test_an_architecture_is_what_the_registry_says(entry: ModelEntry) -> None:
    classifier = loader_of(entry).untrained(entry.spec(None), "cpu")
    assert (classifier.classes, classifier.preprocessing) == (1000, entry.preprocessing)
    module = classifier.module
    assert module is not None
    assert not module.training
    parameters = list(module.parameters())
    assert not any(parameter.requires_grad for parameter in parameters)
    count = sum(parameter.numel() for parameter in parameters)
    if entry.name in DIFFERENCES:
        assert count == DIFFERENCES[entry.name][0]
    else:
        assert count == pytest.approx(entry.parameters, rel=0.05)

    background = entry.preprocessing.background is not None
    image = torch.rand((1, 3, *entry.input.size), generator=torch.Generator().manual_seed(0))
    image.requires_grad_()
    logits = module(image * 2 - 1)
    assert logits.shape == (1, 1000 + background)
    assert logits.isfinite().all()
    logits.logsumexp(1).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad.any()

    source = entry.chosen_source
    assert source is not None
    if source.bytes is not None:  # what `doctor` says that the download costs
        assert sum(t.numel() * t.element_size() for t in module.state_dict().values()) == (
            pytest.approx(source.bytes, rel=0.01)
        )


def test_random_weights_are_the_same_every_time_and_leave_torchs_generator_alone() -> None:
    for name, source in (("mobilenet_v1_025", "architecture"), ("densenet121_k32", "hub")):
        entry = REGISTRY.models[name].chosen(source)
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        one = loader_of(entry).untrained(entry.spec(None), "cpu")
        assert torch.equal(torch.rand(3), expected)
        two = loader_of(entry).untrained(entry.spec(None), "cpu")
        assert same(one, two)


def same(one: Classifier, two: Classifier) -> bool:
    assert one.module is not None
    assert two.module is not None
    others = two.module.state_dict()
    return all(torch.equal(value, others[name]) for name, value in one.module.state_dict().items())


def test_every_model_is_built_without_weights_but_not_by_its_graph() -> None:
    only_graphs = {
        name
        for name, entry in REGISTRY.models.items()
        if entry.sources and all(source.loader == "onnx" for source in entry.sources.values())
    }
    assert not only_graphs
    graph = REGISTRY.models["inception_v2"].chosen("paper")
    with pytest.raises(ModelError, match="builds nothing without weights"):
        loader_of(graph).untrained(graph.spec(None), "cpu")
