"""RobustBench's loader, offline: a made checkpoint through the library's own loading code."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path

import pytest
import torch

from harness.api import ConfigError, Cut, MissingError, ModelError, ModelSpec, Preprocessing
from harness_robustbench import zoo
from harness_robustbench.loader import RobustBenchLoader

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("robustbench") is None, reason="RobustBench is not installed"
)
NAME = "cifar10/Linf/Sehwag2021Proxy_R18"


def spec(weights: Path | None, architecture: str = NAME, **options: object) -> ModelSpec:
    return ModelSpec("mine", architecture, weights, Preprocessing((32, 32)), 10, options)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTBENCH_MODELS", str(tmp_path))
    return tmp_path


def test_a_checkpoint_is_loaded_as_robustbench_loads_it(tmp_path: Path, home: Path) -> None:
    """Its networks' names have a prefix, `module.`, which only the library's code takes away."""
    entry = zoo.reference(NAME, "a test", ModelError).entry("a test", ModelError)
    torch.manual_seed(1)
    network = zoo.built(entry).eval()
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    file = home / "elsewhere.pt"
    torch.save({"state_dict": state}, file)
    module = RobustBenchLoader().load(spec(file), "cpu").module
    assert module is not None
    assert not module.training
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(module(images), network(images))
    assert not any(weight.requires_grad for weight in module.parameters())
    assert "robustbench" not in sys.modules, "the package itself was not imported"
    place = home / "cifar10" / "Linf" / "Sehwag2021Proxy_R18.pt"
    assert RobustBenchLoader().weights(spec(None)).path is None
    place.parent.mkdir(parents=True)
    file.rename(place)
    assert RobustBenchLoader().weights(spec(None)).path == place
    assert RobustBenchLoader().fetch(spec(None), lambda done, total: None) == place


class Code:
    def __reduce__(self):
        return print, ("a pickle's code has run",)


def test_no_code_of_a_file_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"state_dict": Code()}))
    with pytest.raises(ModelError, match="RobustBench cannot load it"):
        RobustBenchLoader().load(spec(tmp_path / "evil.pt"), "cpu")
    assert "has run" not in capfd.readouterr().out


def test_weights_that_are_not_here(home: Path) -> None:
    missing = RobustBenchLoader().weights(spec(None))
    assert (missing.path, missing.url) == (None, None)  # the tests run offline
    assert str(home / "cifar10" / "Linf" / "Sehwag2021Proxy_R18.pt") in missing.how
    with pytest.raises(MissingError, match="switched off"):
        RobustBenchLoader().fetch(spec(None), lambda done, total: None)


def test_references() -> None:
    loader = RobustBenchLoader()
    short = loader.describe("Sehwag2021Proxy_R18")
    assert (short.architecture, short.classes, short.preprocessing.size) == (NAME, 10, (32, 32))
    assert (
        loader.describe("L2/Sehwag2021Proxy_R18").architecture == "cifar10/L2/Sehwag2021Proxy_R18"
    )
    large = loader.describe("imagenet/Linf/Salman2020Do_R50")
    assert (large.classes, large.preprocessing.size) == (1000, (224, 224))
    standard, corrupted = "imagenet/Linf/Standard_R50", "corruptions/Hendrycks2020AugMix_WRN"
    regimes = [loader.describe(each).training for each in (large.architecture, standard, corrupted)]
    assert regimes == ["adversarial", "standard", "augmented"]
    assert large.preprocessing.cut == Cut(224 / 256, "bilinear")
    for text, said in (
        ("Sehwag2021Proxy_R81", "did you mean 'Sehwag2021Proxy_R18'"),
        ("mnist/Linf/X", "no models for mnist/Linf"),
        ("a/b/c/d", "DATASET/THREAT/NAME"),
        ("Chen2020Adversarial", "not one file"),
    ):
        with pytest.raises(ConfigError) as caught:
            loader.describe(text)
        assert said in str(caught.value)


def test_it_takes_no_option() -> None:
    with pytest.raises(ModelError, match="unknown option 'width'"):
        RobustBenchLoader().load(spec(None, width=2), "cpu")
