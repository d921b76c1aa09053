"""timm's loaders: real files with random weights through `load`; names, hashes and the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from harness.api import ConfigError, Cut, MissingError, ModelError, ModelSpec, Preprocessing
from harness_models.timm import HubLoader, TimmLoader

NAME = "resnet10t.c3_in1k"
PREPROCESSING = Preprocessing((64, 64))


def spec(
    weights: Path | None,
    architecture: str = NAME,
    *,
    classes: int = 1000,
    size: int = 64,
    background: int | None = None,
    **options: object,
) -> ModelSpec:
    preprocessing = Preprocessing((size, size), background=background)
    return ModelSpec("mine", architecture, weights, preprocessing, classes, options)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return timm.create_model(NAME, pretrained=False).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub's: what the environment says was read when it was imported."""
    from huggingface_hub import constants, file_download

    for module in (constants, file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    return tmp_path / "hub"


def put(cache: Path, repository: str, name: str, content: bytes) -> Path:
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("c" * 40)
    path = folder / "snapshots" / ("c" * 40) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_a_files_weights_are_loaded(
    tmp_path: Path, network: torch.nn.Module, images: torch.Tensor, form: str
) -> None:
    path = tmp_path / "weights"
    if form == "safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    classifier = TimmLoader().load(spec(path), "cpu")
    assert classifier.module is not None
    assert not classifier.module.training
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())
    with torch.no_grad():
        assert torch.equal(classifier.module(images), network(images))


def test_checkpoints_under_older_names_go_through_timms_own_filter(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = timm.create_model("densenet121.tv_in1k", pretrained=False).eval()
    older = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # older than they are
    }
    assert older.keys() != network.state_dict().keys()
    torch.save(older, tmp_path / "old.pth")
    loaded = TimmLoader().load(spec(tmp_path / "old.pth", "densenet121.tv_in1k"), "cpu").module
    assert loaded is not None
    state = network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


def test_weights_of_something_else_are_refused(tmp_path: Path, network: torch.nn.Module) -> None:
    state = network.state_dict()
    name = next(iter(state))
    for wrong in (
        {key: value for key, value in state.items() if key != name},
        {**state, "extra": torch.zeros(2)},
        {**state, name: torch.zeros(1, 2, 3, 4)},
    ):
        save_file(wrong, tmp_path / "w.safetensors")
        with pytest.raises(ModelError, match="the weights do not fit resnet10t") as caught:
            TimmLoader().load(spec(tmp_path / "w.safetensors"), "cpu")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("classes", "background"), [(7, None), (1000, 0)])
def test_a_network_has_the_registrys_number_of_outputs(
    tmp_path: Path, images: torch.Tensor, classes: int, background: int | None
) -> None:
    outputs = classes + (background is not None)
    own = timm.create_model(NAME, pretrained=False, num_classes=outputs).eval()
    save_file(own.state_dict(), tmp_path / "w")
    wanted = spec(tmp_path / "w", classes=classes, background=background)
    found = TimmLoader().load(wanted, "cpu").module
    assert found is not None
    with torch.no_grad():
        assert torch.equal(found(images), own(images))  # the head too, which timm likes to drop
        untrained = TimmLoader().untrained(wanted, "cpu").module
        assert untrained is not None
        assert untrained(images).shape == (2, outputs)
    with pytest.raises(ModelError, match=r"do not fit resnet10t.*weights .* with 1000 outputs"):
        TimmLoader().load(spec(tmp_path / "w"), "cpu")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (spec(None, "resnet10x"), r"timm has no architecture 'resnet10x'; did you mean 'resnet1"),
        (spec(None, "resnet10t.c4"), r"has no tag 'c4'; choose from c3_in1k"),
        (spec(None, depth=3), "unknown option 'depth'"),
        (spec(None, "vit_tiny_patch16_224.augreg_in21k_ft_in1k"), "images of 224 x 224 only"),
    ],
)
def test_what_does_not_fit_is_one_line(wrong: ModelSpec, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TimmLoader().untrained(wrong, "cpu")


def test_weights_lie_in_the_hubs_cache(cache: Path) -> None:
    found = TimmLoader().weights(spec(None))
    assert (found.path, found.url) == (None, None)  # the tests run offline
    assert "hf download timm/resnet10t.c3_in1k model.safetensors" in found.how
    assert found.licence == "apache-2.0"
    path = put(cache, "timm/resnet10t.c3_in1k", "model.safetensors", b"x")
    assert TimmLoader().weights(spec(None)).path == path
    with pytest.raises(MissingError, match="cannot be downloaded"):
        TimmLoader().fetch(spec(None, "resnet18.a1_in1k"), lambda done, total: None)


def test_an_architecture_without_weights_says_so() -> None:
    found = TimmLoader().weights(spec(None, "resnetv2_152"))
    assert (found.path, found.url) == (None, None)
    assert "timm names no weights" in found.how
    with pytest.raises(MissingError):
        TimmLoader().fetch(spec(None, "resnetv2_152"), lambda done, total: None)


@pytest.mark.parametrize(
    ("reference", "name", "family", "size", "cut"),
    [
        ("resnet50.a1_in1k", "resnet50.a1_in1k", "resnet", 224, Cut(0.95, "bicubic")),
        ("vgg16", "vgg16.tv_in1k", "vgg", 224, Cut(0.875, "bilinear")),
        ("resnetv2_50.a1h_in1k", "resnetv2_50.a1h_in1k", "resnetv2", 224, Cut(0.95, "bicubic")),
        ("nasnetalarge", "nasnetalarge.tf_in1k", "nasnetalarge", 331, Cut(0.911, "bicubic")),
        ("inception_v3.tf_in1k", "inception_v3.tf_in1k", "inception", 299, Cut(0.875, "bicubic")),
    ],
)
def test_timm_describes_its_models(
    reference: str, name: str, family: str, size: int, cut: Cut
) -> None:
    found = TimmLoader().describe(reference)
    assert (found.name, found.architecture, found.family, found.classes) == (
        name, name, family, 1000,
    )  # fmt: skip
    assert found.preprocessing.size == (size, size)
    assert found.preprocessing.cut == cut
    data = timm.data.resolve_data_config(timm.get_pretrained_cfg(name).to_dict())
    assert (found.preprocessing.mean, found.preprocessing.std) == (data["mean"], data["std"])
    assert found.weights is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("resnet5", "timm has no architecture 'resnet5'; did you mean 'resnet"),
        ("resnet50.nope", "has no tag 'nope'; choose from .*a1_in1k"),
        ("resnetv2_152", "timm has no weights for 'resnetv2_152'"),
        ("vit_small_patch14_dinov2.lvd142m", "is not a classifier"),
    ],
)
def test_timm_describes_nothing_else(reference: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TimmLoader().describe(reference)


CONFIG = {
    "architecture": "resnet10t",
    "num_classes": 7,
    "pretrained_cfg": {
        "tag": "mine", "input_size": [3, 64, 64], "interpolation": "bilinear", "crop_pct": 0.9,
        "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "num_classes": 7, "first_conv": "conv1.0",
        "classifier": "fc",
    },
}  # fmt: skip


def test_a_repository_of_anyones_is_loaded_from_the_cache(
    cache: Path, tmp_path: Path, images: torch.Tensor
) -> None:
    loader, reference = HubLoader(), "someone/My_net"
    with pytest.raises(MissingError, match="someone/My_net: cannot be downloaded"):
        loader.describe(reference)
    put(cache, reference, "config.json", json.dumps(CONFIG).encode())
    found = loader.describe(reference)
    assert (found.name, found.architecture, found.family) == ("My_net", reference, "resnet")
    assert (found.classes, found.preprocessing) == (
        7,
        Preprocessing((64, 64), (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), cut=Cut(0.9, "bilinear")),
    )
    wanted = spec(None, reference, classes=7)
    assert loader.weights(wanted).path is None
    torch.manual_seed(6)
    network = timm.create_model("resnet10t", num_classes=7).eval()
    save_file(network.state_dict(), tmp_path / "w")
    path = put(cache, reference, "model.safetensors", (tmp_path / "w").read_bytes())
    assert loader.weights(wanted).path == path
    assert loader.fetch(wanted, lambda done, total: None) == path
    module = loader.load(spec(path, reference, classes=7), "cpu").module
    assert module is not None
    with torch.no_grad():
        assert torch.equal(module(images), network(images))
    with pytest.raises(ModelError, match="has 7 outputs, not 8"):
        loader.untrained(spec(None, reference, classes=8), "cpu")


def test_a_repository_that_is_not_timms_is_refused(cache: Path) -> None:
    put(cache, "a/b", "config.json", b'{"architectures": ["ViTForImageClassification"]}')
    with pytest.raises(ConfigError, match=r"none of timm's"):
        HubLoader().describe("a/b")
    with pytest.raises(ConfigError, match="say hf-hub:OWNER/NAME"):
        HubLoader().describe("resnet50")
