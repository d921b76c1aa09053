"""``harness.attack``: outcomes by closed forms, independence, what it leaves alone, its errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import harness
from harness.api import (
    Classifier,
    ConfigError,
    Goal,
    HarnessError,
    MissingError,
    ModelError,
    Preprocessing,
    Status,
)

SIZE, CLASSES = (4, 4), 3
WEIGHTS = Path(__import__("harness_digits").__file__).parent / "weights"


@pytest.fixture(scope="module")
def linear() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, CLASSES))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    # Far from the walls of the box, so that no closed form is cut off.
    return 0.4 + 0.2 * torch.rand(24, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def labels(linear, images) -> torch.Tensor:
    return linear(images).argmax(1)


def test_the_distance_to_a_linear_models_boundary(linear, images, labels):
    found = harness.attack(linear, images, labels, "cw", goal="untargeted")
    weight, logits = linear[1].weight.detach().double(), linear(images).detach().double()
    expected = []
    for row, label in enumerate(labels):
        gaps = [
            (logits[row, label] - logits[row, k]) / (weight[label] - weight[k]).norm()
            for k in range(CLASSES)
            if k != label
        ]
        expected.append(float(min(gaps)))
    assert found.success.all()
    assert (found.l2 >= np.array(expected) * (1 - 1e-5)).all()
    np.testing.assert_allclose(found.l2, expected, rtol=0.05)
    assert found.l2.median() == pytest.approx(np.median(found.l2))


def test_it_judges_itself_and_returns_what_it_judged(linear, images, labels):
    found = harness.attack(linear, images, labels, "fgsm", goal="random", epsilon=0.02)
    adversarial = torch.as_tensor(found.images)
    assert (linear(adversarial).argmax(1).numpy() == found.predicted).all()
    assert ((found.predicted == found.target) == found.success).all()
    moved = (adversarial - images).abs().amax((1, 2, 3)).numpy()
    assert (moved <= 0.02 + 1e-6).all()
    np.testing.assert_allclose(found.linf[found.success], moved[found.success], rtol=1e-6)
    assert np.isinf(found.linf[~found.success]).all()
    assert (found.forwards >= 1).all()


def test_what_is_wrong_before_is_not_attacked(linear, images, labels):
    wrong = labels.clone()
    wrong[:6] = (wrong[:6] + 1) % CLASSES
    found = harness.attack(linear, images, wrong, "fgsm", epsilon=0.5)
    assert (found.status[:6] == Status.CLEAN_WRONG).all()
    assert (found.forwards[:6] == 0).all()
    assert np.isnan(found.linf[:6]).all()
    assert found.accuracy == 18 / 24
    assert found.robust_accuracy == (found.status == Status.ROBUST).mean()
    assert found.success_rate == found.success.sum() / 18
    np.testing.assert_array_equal(found.images[:6], images[:6])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(order=st.permutations(range(24)), count=st.integers(1, 24))
def test_an_outcome_depends_on_its_image_alone(linear, images, labels, order, count):
    chosen = list(order)[:count]
    whole = harness.attack(linear, images, labels, "ifgsm", goal="random", epsilon=0.05)
    some = harness.attack(
        linear, images[chosen], labels[chosen], "ifgsm", goal=Goal.RANDOM, epsilon=0.05
    )
    np.testing.assert_array_equal(some.status, whole.status[chosen])
    np.testing.assert_array_equal(some.target, whole.target[chosen])
    np.testing.assert_allclose(some.images, whole.images[chosen], atol=1e-6)


def test_the_callers_module_is_left_as_it_was(images, labels):
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, CLASSES)
    )
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    harness.attack(module, images, labels, "fgsm")
    assert module.training
    assert all(part.training for part in module.modules())
    assert all(part.requires_grad for part in module.parameters())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), state)


def test_a_classifier_says_how_its_network_wants_images(linear, images, labels):
    mean, std = (0.2, 0.3, 0.4), (0.5, 0.6, 0.7)
    shaped = Classifier(linear, Preprocessing(SIZE, mean, std), CLASSES)
    inputs = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    found = harness.attack(shaped, images, linear(inputs).argmax(1), "fgsm")
    assert found.accuracy == 1


def test_an_onnx_file_and_what_is_assumed_of_it(images, tmp_path, linear):
    path = tmp_path / "linear.onnx"
    torch.onnx.export(
        linear.eval(),
        (images[:1],),
        path,
        dynamo=False,
        input_names=["input"],
        dynamic_axes={"input": [0]},
    )
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    shaped = Classifier(linear, Preprocessing(SIZE, mean, std), CLASSES)
    inputs = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    labels = linear(inputs).argmax(1)
    exported = harness.attack(path, images, labels, "fgsm", epsilon=0.02)
    own = harness.attack(shaped, images, labels, "fgsm", epsilon=0.02)
    np.testing.assert_array_equal(exported.status, own.status)
    assert exported.success.any()
    assert "ImageNet" in " ".join(exported.notes)


def test_a_model_of_the_registry():
    digits = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert len(harness.attack("digits-alexnet", digits, [0, 1, 2], "fgsm")) == 3


def test_shown_as_a_table(linear, images, labels):
    found = harness.attack(linear, images, labels, "fgsm", epsilon=0.02)
    lines = repr(found).splitlines()
    assert lines[0].startswith("24 images, accuracy 100.0%; 24 attacked, success rate")
    assert "... and 4 more" in lines[-1]
    assert found._repr_html_().count("<tr>") == 21
    pandas = pytest.importorskip("pandas", reason="pandas is optional")
    frame = found.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["status"].tolist() == found.status.tolist()


def test_no_images(linear, images):
    found = harness.attack(linear, images[:0], [], "fgsm")
    assert len(found) == 0
    assert np.isnan(found.l2.median())
    assert "0 images" in repr(found)


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"attack": "fgsn"}, ConfigError, "did you mean 'fgsm'?"),
        ({"goal": "randon"}, ConfigError, "unknown goal 'randon'"),
        ({"epsilom": 1}, ConfigError, "did you mean 'epsilon'?"),
        ({"epsilon": -1}, ConfigError, "epsilon: "),
        ({"device": "tpu"}, ConfigError, "device 'tpu' is not supported"),
        ({"images": 255 * torch.ones(24, 3, 4, 4)}, ConfigError, "images leave [0, 1]"),
        ({"images": torch.ones(24, 3, 4, 4).byte()}, ConfigError, "images are uint8"),
        ({"images": "cat.png"}, ConfigError, "images: str: "),
        ({"labels": [0, 1]}, ConfigError, "labels are int64 of (2,) for 24 images"),
        ({"labels": [0.5] * 24}, ConfigError, "labels are float32"),
        ({"model": 3}, ConfigError, "the model is a int"),
        ({"model": "resnet5O"}, ConfigError, "did you mean 'resnet50'?"),
        ({"model": "nowhere.onnx"}, ConfigError, "no such file"),
        ({"model": "digits-alexnet"}, ConfigError, "the model takes images of (3, 32, 32)"),
        ({"model": nn.Identity()}, ModelError, "logits (1, classes) are expected"),
        ({"model": nn.Linear(3, 3)}, ModelError, "RuntimeError"),
        ({"model": "timm:resnet50"}, MissingError, "its weights are not here"),
    ],
)
def test_errors_are_the_command_lines_own(linear, images, labels, change, kind, said):
    given = {"model": linear, "images": images, "labels": labels, "attack": "fgsm", **change}
    with pytest.raises(HarnessError) as raised:
        harness.attack(**given)
    assert isinstance(raised.value, kind)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_importing_the_package_is_light():
    program = "import harness, sys; harness.attack; dir(harness)\nassert 'torch' in sys.modules\n"
    subprocess.run([sys.executable, "-c", program], check=True)
    program = "import harness, sys; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no attribute 'attac'"):
        harness.attac  # noqa: B018
