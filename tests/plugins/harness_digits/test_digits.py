"""The embedded suite: the data, the 18 architectures, their weights and the training program."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from harness.registry import load
from harness_digits.architectures import ARCHITECTURES, build
from harness_digits.architectures.alexnet import ResponseNorm
from harness_digits.architectures.layers import strided_convolution
from harness_digits.data import digits, image_id, split
from harness_digits.loader import DigitsLoader, weights_path
from harness_digits.train import (
    WEIGHTS,
    count_correct,
    count_layers,
    fit,
    folder,
    fragment,
    load_split,
    main,
    read_table,
    weights,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = list(ARCHITECTURES)
TEST_IMAGES = len(split("test"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep small layers on one thread: faster when tests share the cores, and reproducible."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- data ---


def test_images_are_float32_rgb_in_the_unit_box() -> None:
    images, labels = digits()
    assert images.shape == (1797, 3, 32, 32)
    assert images.dtype == np.float32
    assert labels.shape == (1797,)
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 1
    assert (images == images[:, :1]).all()
    assert set(labels.tolist()) == set(range(10))


def test_every_pixel_is_exact_in_float32() -> None:
    thousandths = digits()[0].astype(np.float64) * 1024
    assert (thousandths == np.round(thousandths)).all()


@pytest.mark.parametrize("index", [0, 1000, 1796])
def test_upsampling_equals_the_slow_formula(index: int) -> None:
    image = digits()[0][index, 0]
    small = load_digits().images[index] / 16
    for row in range(32):
        for column in range(32):
            assert image[row, column] == interpolate(small, row, column)


def interpolate(small: np.ndarray, row: int, column: int) -> float:
    """Sum the four neighbours of a pixel's centre, by their distance in small pixels."""
    total = 0.0
    y, x = (row + 0.5) / 4 - 0.5, (column + 0.5) / 4 - 0.5
    for i in range(-1, 9):
        for j in range(-1, 9):
            weight = max(0.0, 1 - abs(y - i)) * max(0.0, 1 - abs(x - j))
            total += weight * small[min(max(i, 0), 7), min(max(j, 0), 7)]
    return total


def test_upsampling_equals_torch() -> None:
    small = torch.from_numpy(load_digits().images / 16).float()[:, None]
    large = functional.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False)
    assert torch.equal(torch.from_numpy(digits()[0][:, :1]), large)


def test_a_known_pixel() -> None:
    # Row 0 of the first digit is 0 0 5 13 9 1 0 0: pixel 10 lies at 2.125, an eighth of the way.
    assert digits()[0][0, 0, 0, 10] == (7 * 5 + 13) / 8 / 16


def test_the_split_is_complete_disjoint_and_stratified() -> None:
    train, test = split("train"), split("test")
    assert sorted([*train, *test]) == list(range(1797))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    labels = digits()[1]
    for label in range(10):
        members = np.flatnonzero(labels == label)
        assert set(members[::2]) == set(train[labels[train] == label])
        assert set(members[1::2]) == set(test[labels[test] == label])


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="'valid': choose from train, test"):
        split("valid")


def test_image_ids() -> None:
    assert (image_id(0), image_id(42), image_id(1796)) == ("0000", "0042", "1796")


# --- architectures ---


def test_there_are_eighteen() -> None:
    assert len(NAMES) == 18
    with pytest.raises(ValueError, match="unknown architecture 'digits-lenet'"):
        build("digits-lenet")


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_input_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = build(name).eval()
    images = torch.rand(4, 3, 32, 32, requires_grad=True)
    logits = model(images)
    assert logits.shape == (4, 10)
    logits.sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert (images.grad.flatten(1).abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_memory_format_and_batch_mates_do_not_matter(name: str) -> None:
    model, images = trained(name), load_split("test")[0][:8]
    with torch.inference_mode():
        logits = model(images)
        assert torch.equal(model(images), logits)
        alone = torch.cat([model(image[None]) for image in images])
        model.to(memory_format=torch.channels_last)
        last = model(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(alone, logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "family",
    [
        ("vgg16", "vgg19"),
        ("inception_v1", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2"),
        ("resnet_v2_50", "resnet_v2_101", "resnet_v2_152"),
        ("densenet121_k32", "densenet161_k48", "densenet169_k32"),
    ],
    ids=lambda family: family[0],
)
def test_depths_keep_their_order(family: tuple[str, ...]) -> None:
    depths = [count_layers(build(f"digits-{name}")) for name in family]
    assert depths == sorted(set(depths))


def test_mobilenets_differ_in_width_only() -> None:
    models = [build(f"digits-mobilenet_v1_{width}") for width in ("025", "050", "100")]
    assert len({count_layers(model) for model in models}) == 1
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("name", ["digits-alexnet", "digits-vgg16", "digits-vgg19"])
def test_the_oldest_networks_have_no_batch_norm(name: str) -> None:
    assert not any(isinstance(module, nn.BatchNorm2d) for module in build(name).modules())


@pytest.mark.parametrize("name", [name for name in NAMES if "inception" in name])
def test_inceptions_learn_no_scale(name: str) -> None:
    norms = [module for module in build(name).modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(set(dict(norm.named_parameters())) == {"bias"} for norm in norms)


def test_response_norm_is_the_usual_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 12, 4, 4)
    torch.testing.assert_close(
        ResponseNorm(12, alpha=0.5)(x), nn.LocalResponseNorm(5, alpha=0.5, beta=0.75)(x)
    )


@pytest.mark.parametrize("stride", [2, 4])
def test_a_strided_convolution_is_one(stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, 32)
    layer = strided_convolution(5, stride)
    # Its weights, as (outputs, inputs, pixel row, pixel column, block row, block column).
    kernel = layer.get_parameter("1.weight").view(5, 3, stride, stride, 3, 3)
    kernel = kernel.permute(0, 1, 4, 2, 5, 3).reshape(5, 3, 3 * stride, 3 * stride)
    expected = functional.conv2d(x, kernel, stride=stride, padding=stride)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


# --- weights ---


def trained(name: str) -> nn.Module:
    model = build(name)
    model.load_state_dict(load_file(WEIGHTS / f"{name}.safetensors"), strict=True)
    return model.eval()


def test_weight_files_are_complete_and_small() -> None:
    sizes = {path.stem: path.stat().st_size for path in WEIGHTS.glob("*.safetensors")}
    assert set(sizes) == set(NAMES)
    assert max(sizes.values()) <= 300_000
    assert sum(sizes.values()) <= 4_000_000


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_of_the_table(name: str) -> None:
    row = read_table(WEIGHTS)[name]
    data = (WEIGHTS / f"{name}.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == row.sha256
    model = trained(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == row.parameters
    assert count_layers(model) == row.layers
    correct = count_correct(model)
    assert abs(correct - row.correct) <= 1
    assert correct > 0.85 * TEST_IMAGES


# --- training ---


def test_training_is_reproducible_bit_for_bit() -> None:
    first, second = (weights(fit("digits-mobilenet_v1_025", epochs=2)) for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_program_adds_its_models_to_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alexnet = read_table(WEIGHTS)["digits-alexnet"]
    write_table(tmp_path, [alexnet])
    name = "digits-mobilenet_v1_025"
    main(["--out", str(tmp_path), "--seed", "7", "--only", name, "--epochs", "1"])
    stored, expected = load_file(tmp_path / f"{name}.safetensors"), fit(name, epochs=1, seed=7)
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert all(torch.equal(stored[key], value.half()) for key, value in weights(expected).items())
    table = read_table(tmp_path)
    assert list(table) == ["digits-alexnet", "digits-mobilenet_v1_025"]
    row = table["digits-mobilenet_v1_025"]
    data = (tmp_path / f"{row.name}.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == row.sha256
    assert capsys.readouterr().out == fragment([row]) + "\n"


def test_another_seed_is_another_training() -> None:
    plain, other = (weights(fit("digits-mobilenet_v1_025", epochs=1, seed=s)) for s in (0, 7))
    assert not any(torch.equal(plain[key], other[key]) for key in plain if "weight" in key)
    assert (folder(0), folder(7)) == (WEIGHTS, WEIGHTS / "s7")


# --- other training seeds ---


SEEDS = {model.name: model for model in load().match_models(["digits-*.*"])}


def test_every_model_has_the_same_seeds() -> None:
    found = {model.seed for model in SEEDS.values()}
    assert found == {"s1", "s2"}
    assert list(SEEDS) == [f"{name}.{seed}" for name in NAMES for seed in sorted(found)]


@pytest.mark.parametrize("seed", sorted({model.seed for model in SEEDS.values()}))
def test_the_files_of_a_seed_are_the_registrys_and_classify(seed: str) -> None:
    table = read_table(WEIGHTS / seed)
    assert list(table) == NAMES
    for name, row in table.items():
        entry = SEEDS[f"{name}.{seed}"]
        path = weights_path(name, seed)
        assert entry.weights.sha256 == row.sha256
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
        assert (entry.layers, entry.parameters) == (row.layers, row.parameters)
        assert row.correct > 0.85 * TEST_IMAGES
    smallest = "digits-mobilenet_v1_025"
    model = build(smallest)
    model.load_state_dict(load_file(weights_path(smallest, seed)), strict=True)
    assert abs(count_correct(model.eval()) - table[smallest].correct) <= 1


def test_the_seeds_fit_in_15_megabytes() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")) <= 15e6


@pytest.mark.filterwarnings("error")
def test_the_loader_reads_the_weights_of_the_seed() -> None:
    entry = SEEDS["digits-mobilenet_v1_025.s1"]
    built = DigitsLoader().load(entry.spec(None), "cpu").module
    assert built is not None
    state = load_file(WEIGHTS / "s1" / "digits-mobilenet_v1_025.safetensors")
    assert all(torch.equal(built.state_dict()[key], value.float()) for key, value in state.items())


def test_the_program_refuses_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "digits-lenet"])
    assert "unknown: digits-lenet" in capsys.readouterr().err
