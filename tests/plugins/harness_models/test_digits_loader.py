"""The digits loader: weights in safetensors only, and only those of the architecture."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.api import MissingError, ModelError, ModelSpec, Preprocessing
from harness_digits.architectures import build
from harness_digits.loader import DigitsLoader

NAME = "digits-mobilenet_v1_025"
HALF = (0.5, 0.5, 0.5)


def spec(
    weights: Path | None, *, architecture: str = NAME, classes: int = 10, **options: object
) -> ModelSpec:
    preprocessing = Preprocessing((32, 32), HALF, HALF)
    return ModelSpec("mine", architecture, weights, preprocessing, classes, options)


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return build(NAME).eval()


@pytest.fixture
def weights(tmp_path: Path, network: torch.nn.Module) -> Path:
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_the_weights_are_the_files(weights: Path, network: torch.nn.Module) -> None:
    classifier = DigitsLoader().load(spec(weights), "cpu")
    assert classifier.module is not None
    assert classifier.forward is None
    assert (classifier.classes, classifier.preprocessing) == (10, spec(None).preprocessing)
    assert not classifier.module.training
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())
    images = torch.rand(3, 3, 32, 32)
    assert torch.equal(classifier.module(images), network(images))


def test_the_packages_weights_are_the_default() -> None:
    loader = DigitsLoader()
    path = loader.weights(spec(None)).path
    assert path is not None
    assert path.name == f"{NAME}.safetensors"
    if not path.is_file():
        pytest.skip(f"{path.name} is not trained yet")
    assert loader.load(spec(None), "cpu").module is not None


def test_archives_of_tensors_are_read_and_pickles_refused(
    tmp_path: Path, network: torch.nn.Module
) -> None:
    torch.save(network.state_dict(), tmp_path / "w.pt")
    module = DigitsLoader().load(spec(tmp_path / "w.pt"), "cpu").module
    assert module is not None
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(module(images), network(images))
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(ModelError, match=r"w.pkl: is a pickle, and reading one can run any code"):
        DigitsLoader().load(spec(tmp_path / "w.pkl"), "cpu")


def test_counters_of_training_may_be_left_out(tmp_path: Path, network: torch.nn.Module) -> None:
    state = network.state_dict()
    shipped = {name: state[name] for name in state if "num_batches_tracked" not in name}
    assert len(shipped) < len(state)
    save_file(shipped, tmp_path / "w.safetensors")
    module = DigitsLoader().load(spec(tmp_path / "w.safetensors"), "cpu").module
    assert module is not None
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(module(images), network(images))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("hello, I am no weight file")
    with pytest.raises(ModelError, match=r"w.txt: is text: only safetensors"):
        DigitsLoader().load(spec(tmp_path / "w.txt"), "cpu")
    with pytest.raises(MissingError, match=r"gone: weights cannot be read: No such file"):
        DigitsLoader().load(spec(tmp_path / "gone"), "cpu")


def test_a_header_that_starts_like_a_pickle_is_read(
    tmp_path: Path, network: torch.nn.Module
) -> None:
    """A file's first byte is the low byte of its header's length: 0x80 for one in 32."""
    for padding in range(256):
        metadata = {"padding": "x" * padding}
        save_file(network.state_dict(), tmp_path / "w.safetensors", metadata)
        if (tmp_path / "w.safetensors").read_bytes()[0] == 0x80:
            break
    else:
        pytest.fail("no padding gives the header this length")
    assert DigitsLoader().load(spec(tmp_path / "w.safetensors"), "cpu").module is not None


def test_weights_of_another_architecture_are_refused(weights: Path) -> None:
    with pytest.raises(ModelError, match=r"w.safetensors: \d+ tensors do not fit digits-vgg16: "):
        DigitsLoader().load(spec(weights, architecture="digits-vgg16"), "cpu")
    # The same names, other widths.
    with pytest.raises(ModelError, match="tensors do not fit digits-mobilenet_v1_050: "):
        DigitsLoader().load(spec(weights, architecture="digits-mobilenet_v1_050"), "cpu")


def test_what_the_registry_may_get_wrong(weights: Path) -> None:
    loader = DigitsLoader()
    unknown = r"model mine: unknown architecture 'digits-vgg166'; did you mean 'digits-vgg16'\?"
    with pytest.raises(ModelError, match=unknown):
        loader.load(spec(weights, architecture="digits-vgg166"), "cpu")
    with pytest.raises(ModelError, match=r"has 10 classes, not 7; set classes: 10"):
        loader.load(spec(weights, classes=7), "cpu")
    with pytest.raises(ModelError, match=r"unknown option 'depth'; the loader takes none"):
        loader.load(spec(weights, depth=3), "cpu")


def test_random_weights_are_the_same_every_time_and_leave_torchs_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = DigitsLoader().untrained(spec(None), "cpu").module
    assert torch.equal(torch.rand(3), expected)
    two = DigitsLoader().untrained(spec(None), "cpu").module
    trained = DigitsLoader().load(spec(None), "cpu").module
    assert one is not None
    assert two is not None
    assert trained is not None
    assert not one.training
    assert not any(parameter.requires_grad for parameter in one.parameters())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(one(images), two(images))
    assert not torch.equal(one(images), trained(images))


@pytest.mark.parametrize("wrong", [{"classes": 7}, {"architecture": "nosuch"}, {"depth": 3}])
def test_random_weights_for_what_does_not_exist(wrong: dict[str, int]) -> None:
    with pytest.raises(ModelError):
        DigitsLoader().untrained(spec(None, **wrong), "cpu")  # type: ignore[arg-type]
