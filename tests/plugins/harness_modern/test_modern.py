"""The modern suites: names and preprocessing against timm and RobustBench, three built."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.models import get_pretrained_cfg

from harness.plugins import installed
from harness.registry import load
from harness.registry.training import REGIMES
from harness.resolve.components import loader_of

MODERN, ROBUST = (
    [entry.name for entry in load().match_models(load().get_suite(suite).models)]
    for suite in ("imagenet-modern", "imagenet-robust")
)


def test_the_suites_are_disjoint_and_attacked_alike() -> None:
    assert (len(MODERN), len(ROBUST), set(MODERN) & set(ROBUST)) == (47, 25, set())
    suites = [load().get_suite(name) for name in ("imagenet-modern", "imagenet-robust")]
    assert len({tuple(each.attack for each in suite.attacks) for suite in suites}) == 1


@pytest.mark.parametrize("name", MODERN)
def test_preprocessing_is_timms(name: str) -> None:
    entry, config = load().get_model(name), get_pretrained_cfg(name)
    assert timm.is_model(name.partition(".")[0])
    assert entry.training in REGIMES
    found = entry.preprocessing
    assert (*found.shape,) == tuple(config.input_size)
    assert (found.mean, found.std) == (tuple(config.mean), tuple(config.std))
    assert found.cut is not None
    assert (found.cut.crop, found.cut.interpolation) == (config.crop_pct, config.interpolation)
    assert (entry.classes, config.crop_mode) == (config.num_classes, "center")


@pytest.mark.parametrize("name", ROBUST)
def test_robust_models_have_both_published_accuracies(name: str) -> None:
    entry = load().get_model(name)
    assert (entry.training, entry.architecture) == ("adversarial", f"imagenet/Linf/{name}")
    published = entry.published
    assert published.robust is not None
    assert published.top1 is not None
    assert 0 < published.robust.accuracy < published.top1
    assert (published.robust.norm, published.robust.budget) == ("linf", 4 / 255)


def test_what_the_installed_robustbench_has_is_as_it_says() -> None:
    zoo = pytest.importorskip("harness_robustbench.zoo")
    pytest.importorskip("timm")
    try:
        known = zoo.library("model_zoo").model_dicts
    except (AssertionError, ImportError):
        pytest.skip("RobustBench is not installed")
    for dataset, threats in known.items():
        for threat, models in threats.items():
            if (dataset.value, threat.value) != ("imagenet", "Linf"):
                continue
            shared = [name for name in ROBUST if name in models]
            assert shared
            for name in shared:
                found = load().get_model(name).preprocessing
                size, cut = zoo.CUTS[models[name]["preprocessing"]]
                assert (found.size, found.cut) == ((size, size), cut)


@pytest.mark.parametrize(
    "name", ["tf_efficientnet_b0.aa_in1k", "regnety_016.pycls_in1k", "resnet50.ram_in1k"]
)
def test_three_build(name: str) -> None:
    entry = load().get_model(name)
    network = loader_of(entry, installed()).untrained(entry.spec(None), "cpu").module
    assert network is not None
    with torch.no_grad():
        assert network(torch.rand(1, *entry.preprocessing.shape)).shape == (1, 1000)
    count = sum(weight.numel() for weight in network.parameters())
    assert count == pytest.approx(entry.parameters, abs=1e4)
