"""torchvision's loader: real files with random weights; the hash in the name; 2x - 1."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

from harness.api import ConfigError, Cut, MissingError, ModelError, ModelSpec, Preprocessing
from harness_models.torchvision import TorchvisionLoader

NAME = "squeezenet1_1.IMAGENET1K_V1"
FILE = "squeezenet1_1-b8a52dc0.pth"
HALF = (0.5, 0.5, 0.5)


def spec(weights: Path | None, architecture: str = NAME, **options: object) -> ModelSpec:
    return ModelSpec("mine", architecture, weights, Preprocessing((64, 64)), 1000, options)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(2))


def test_a_files_weights_are_loaded(tmp_path: Path, images: torch.Tensor) -> None:
    torch.manual_seed(1)
    network = models.squeezenet1_1().eval()
    torch.save(network.state_dict(), tmp_path / "own.pth")
    module = TorchvisionLoader().load(spec(tmp_path / "own.pth"), "cpu").module
    assert module is not None
    assert not module.training
    with torch.no_grad():
        assert torch.equal(module(images), network(images))
    with pytest.raises(ModelError, match=r"tensors do not fit squeezenet1_0"):
        TorchvisionLoader().load(spec(tmp_path / "own.pth", "squeezenet1_0"), "cpu")


def test_a_published_file_has_the_hash_of_its_name(home: Path) -> None:
    loader = TorchvisionLoader()
    missing = loader.weights(spec(None))
    assert (missing.path, missing.url) == (None, None)  # the tests run offline
    assert missing.how.endswith(f"put https://download.pytorch.org/models/{FILE} at {home / FILE}")
    assert missing.bytes == pytest.approx(4.95e6, rel=0.01)  # 1,235,496 parameters and names
    with pytest.raises(MissingError, match="switched off"):
        loader.fetch(spec(None), lambda done, total: None)
    home.mkdir(parents=True)
    torch.save(models.squeezenet1_1().state_dict(), home / FILE)
    assert loader.weights(spec(None)).path == home / FILE
    assert loader.fetch(spec(None), lambda done, total: None) == home / FILE
    with pytest.raises(ModelError, match=f"{FILE}: its SHA-256 is not the one in its name"):
        loader.load(spec(home / FILE), "cpu")


def test_googlenet_takes_2x_minus_1_and_drops_the_auxiliary_heads(
    tmp_path: Path, images: torch.Tensor
) -> None:
    """torchvision's own network undoes ImageNet's normalisation; the loader's never does it."""
    torch.manual_seed(1)
    own = models.googlenet(aux_logits=True, transform_input=True, init_weights=False).eval()
    for module in own.modules():  # logits that differ between classes
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(0.1)
    torch.save(own.state_dict(), tmp_path / "g.pth")
    module = TorchvisionLoader().load(spec(tmp_path / "g.pth", "googlenet"), "cpu").module
    assert module is not None
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        expected = own((images - mean) / std)
        assert gap(module(2 * images - 1), expected) < 1e-3
        assert gap(module((images - mean) / std), expected) > 1e-1
    found = TorchvisionLoader().describe("googlenet").preprocessing
    assert (found.mean, found.std) == (HALF, HALF)


def gap(one: torch.Tensor, two: torch.Tensor) -> float:
    """The largest difference over the spread of the logits."""
    return float((one - two).abs().max() / two.std())


def test_files_of_older_densenets_are_loaded(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = models.densenet121().state_dict()
    older = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")  # older than they are
    }
    torch.save(older, tmp_path / "d.pth")
    module = TorchvisionLoader().load(spec(tmp_path / "d.pth", "densenet121"), "cpu").module
    assert module is not None
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def test_every_published_file_has_a_hash_in_its_name() -> None:
    loader = TorchvisionLoader()
    for name in models.list_models(module=models):
        for weights in models.get_model_weights(name).__members__:
            found = loader.weights(spec(None, f"{name}.{weights}"))
            assert found.bytes


def test_torchvision_describes_its_classifiers() -> None:
    found = TorchvisionLoader().describe("resnet50")
    assert (found.name, found.family, found.classes) == ("resnet50.IMAGENET1K_V2", "resnet", 1000)
    assert found.architecture == "resnet50.IMAGENET1K_V2"
    assert found.parameters == 25_557_032
    expected = Preprocessing(
        (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), cut=Cut(224 / 232, "bilinear")
    )
    assert found.preprocessing == expected
    older = TorchvisionLoader().describe("resnet50.IMAGENET1K_V1")
    assert older.preprocessing.cut == Cut(0.875, "bilinear")
    for wrong, message in (
        ("resnet5", "no classifier 'resnet5'; did you mean 'resnet"),
        ("resnet50.V9", "no weights 'V9'; choose from IMAGENET1K_V1"),
        ("fasterrcnn_resnet50_fpn", "no classifier"),
    ):
        with pytest.raises(ConfigError, match=message):
            TorchvisionLoader().describe(wrong)


def test_options_are_refused() -> None:
    with pytest.raises(ModelError, match="unknown option 'depth'"):
        TorchvisionLoader().untrained(spec(None, depth=3), "cpu")
