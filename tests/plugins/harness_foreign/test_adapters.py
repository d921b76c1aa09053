"""Other libraries' attacks by name: the same candidates as theirs, judged and counted by us."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import Access, Passes, Status
from harness.plugins import Kind, installed
from harness.testing.fakes import attack_all, jobs_for, pixel_model

CLASSES, SIZE, COUNT = 4, (8, 8), 3


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(2)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.SiLU(), nn.Flatten(), nn.Linear(72, CLASSES)
    )
    network[3].weight.data.mul_(5)
    return pixel_model(network, classes=CLASSES, size=SIZE)


@pytest.fixture(scope="module")
def images():
    return torch.rand(COUNT, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(name: str, **settings: Any):
    return installed().get(Kind.ATTACK, name).load()(**settings)


def run(attack, model, images, targets=None, **options):
    return attack_all(
        attack, model, jobs_for(model, images, targets or [None] * len(images)), **options
    )


def foolbox_direct(name: str, epsilon: float | None = None) -> Callable[..., Any]:
    def direct(network, image, label, settings, seed):
        import foolbox

        bounded = foolbox.PyTorchModel(network, bounds=(0, 1))
        own = {key: value for key, value in settings.items() if key != "epsilon"}
        return getattr(foolbox.attacks, name)(**own)(bounded, image, label, epsilons=epsilon)[1]

    return direct


def torchattacks_direct(name: str, **further: Any) -> Callable[..., Any]:
    def direct(network, image, label, settings, seed):
        import torchattacks

        own = {key: seed for key in ("seed",) if name == "Square"}
        return getattr(torchattacks, name)(network, **settings, **own, **further)(image, label)

    return direct


def torchattack_direct(name: str) -> Callable[..., Any]:
    def direct(network, image, label, settings, seed):
        import torchattack

        return getattr(torchattack, name)(network, device=image.device, **settings)(image, label)

    return direct


def art_direct(name: str) -> Callable[..., Any]:
    def direct(network, image, label, settings, seed):
        from art.attacks import evasion
        from art.estimators.classification import PyTorchClassifier

        classifier = PyTorchClassifier(
            network, loss=nn.CrossEntropyLoss(), input_shape=image.shape[1:], nb_classes=CLASSES,
            clip_values=(0.0, 1.0), device_type="cpu",
        )  # fmt: skip
        one_hot = np.eye(CLASSES, dtype=np.float32)[label.numpy()]
        attack = getattr(evasion, name)(classifier, **settings)
        return torch.from_numpy(attack.generate(image.numpy(), one_hot))

    return direct


def advlib_direct(name: str, **further: Any) -> Callable[..., Any]:
    def direct(network, image, label, settings, seed):
        import adv_lib.attacks

        return getattr(adv_lib.attacks, name)(network, image, label, **settings, **further)

    return direct


def autoattack_direct(name: str, **further: Any) -> Callable[..., Any]:
    def direct(network, image, label, settings, seed):
        from pyautoattack import autopgd_base, square

        kind = getattr(autopgd_base, name, None) or getattr(square, name)
        return kind(network, seed=seed, **settings, **further).perturb(image, label)

    return direct


@dataclass(frozen=True)
class Same:
    """An attack by its name here, and called directly."""

    name: str
    direct: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)


SAME = [
    Same("foolbox:LinfPGD", foolbox_direct("LinfPGD", 0.1), {"epsilon": 0.1, "steps": 5}),
    Same("foolbox:L2CarliniWagnerAttack", foolbox_direct("L2CarliniWagnerAttack"),
         {"steps": 10, "binary_search_steps": 2}),
    Same("foolbox:BoundaryAttack", foolbox_direct("BoundaryAttack"), {"steps": 20}),
    Same("foolbox:L2RepeatedAdditiveGaussianNoiseAttack",
         foolbox_direct("L2RepeatedAdditiveGaussianNoiseAttack", 2.0),
         {"epsilon": 2.0, "repeats": 5}),
    Same("torchattacks:PGD", torchattacks_direct("PGD"), {"steps": 5}),
    Same("torchattacks:Square-l2", torchattacks_direct("Square", norm="L2"),
         {"n_queries": 20, "eps": 1.0}),
    Same("torchattack:MIFGSM", torchattack_direct("MIFGSM"), {"steps": 5}),
    Same("torchattack:DIFGSM", torchattack_direct("DIFGSM"), {"steps": 5}),
    Same("art:ProjectedGradientDescent", art_direct("ProjectedGradientDescent"),
         {"max_iter": 5, "num_random_init": 2}),
    Same("art:SquareAttack", art_direct("SquareAttack"), {"max_iter": 20}),
    Same("adv-lib:ddn", advlib_direct("ddn"), {"steps": 10}),
    Same("adv-lib:fmn-l2", advlib_direct("fmn", norm=2), {"steps": 10}),
    Same("autoattack:apgd-ce", autoattack_direct("APGDAttack", loss="ce"),
         {"eps": 0.1, "n_iter": 10}),
    Same("autoattack:square", autoattack_direct("SquareAttack"), {"eps": 0.1, "n_queries": 20}),
]  # fmt: skip


@pytest.mark.parametrize("same", SAME, ids=lambda same: same.name)
def test_candidates_are_those_of_the_library_called_directly(same, model, images):
    rows = run(made(same.name, **same.settings), model, images)
    moved = False
    for row in rows:
        assert row.outcome.error is None, row.outcome.error
        image, label = row.job.image[None].clone(), torch.tensor([row.job.label])
        with torch.random.fork_rng():
            states = np.random.get_state(), random.getstate()
            torch.manual_seed(row.job.seed)
            np.random.seed(row.job.seed)
            random.seed(row.job.seed)
            expected = same.direct(model.differentiable, image, label, same.settings, row.job.seed)
            np.random.set_state(states[0])
            random.setstate(states[1])
        assert torch.equal(row.candidate, expected[0].detach())
        moved |= not torch.equal(row.candidate, row.job.image)
    assert moved


def test_passes_are_counted(model, images):
    rows = run(made("torchattacks:PGD", steps=4), model, images)
    assert [row.outcome.passes for row in rows] == [Passes(4, 4)] * COUNT
    rows = run(made("art:FastGradientMethod"), model, images)
    assert {row.outcome.passes.backwards for row in rows} == {1}
    rows = run(made("foolbox:InversionAttack"), model, images)
    assert {row.outcome.passes.backwards for row in rows} == {0}


@pytest.mark.parametrize("name", ["torchattacks:PGD", "art:HopSkipJump", "foolbox:LinfPGD"])
def test_an_image_depends_on_its_seed_alone(name, model, images):
    settings = {"foolbox:LinfPGD": {"epsilon": 0.1}, "art:HopSkipJump": {"max_iter": 2}}
    attack = made(name, **settings.get(name, {}))
    jobs = jobs_for(model, images, [None] * COUNT)
    expected = attack_all(attack, model, jobs)
    again = attack_all(attack, model, jobs[::-1], batch_size=2)[::-1]
    for one, other in zip(expected, again, strict=True):
        assert torch.equal(one.candidate, other.candidate)
        assert one.outcome == other.outcome


def test_labels_are_all_that_a_decision_attack_sees(model, images):
    attack = made("foolbox:HopSkipJumpAttack", steps=2)
    assert attack.access is Access.LABELS
    rows = run(attack, model, images)
    assert {row.outcome.status for row in rows} == {Status.BROKEN}
    assert {row.outcome.passes.backwards for row in rows} == {0}


def test_a_margin_that_is_asked_for_is_the_harness_s_kappa():
    assert made("torchattacks:CW", kappa=3).confidence == 3.0
    assert made("art:CarliniL2Method", kappa=3).confidence == 3.0
    assert made("art:CarliniL2Method", kappa=3).settings()["confidence"] == 3.0
    assert made("torchattacks:PGD").confidence == 0.0


def test_goals_may_be_mixed_in_a_batch(model, images):
    labels = model.predict(images).argmax(1).tolist()
    targets = [None, (labels[1] + 1) % CLASSES, None]
    for name in ("torchattack:PGD", "adv-lib:ddn", "foolbox:L2CarliniWagnerAttack"):
        rows = run(made(name, steps=20), model, images, targets)
        assert all(row.outcome.error is None for row in rows)
        direction = rows[1].candidate - images[1]
        assert direction.abs().max() > 0
        assert rows[1].outcome.verdict.margin > _margin(model, images[1], targets[1])


def _margin(model, image, target):
    logits = model.predict(image[None])[0]
    others = torch.cat([logits[:target], logits[target + 1 :]])
    return float(logits[target] - others.max())


def test_networks_that_prefer_another_layout_suit_libraries_that_call_view(model, images):
    rows = run(made("torchattacks:PGDL2", steps=2), model, images)
    assert [row.outcome.error for row in rows] == [None] * COUNT


def test_an_attack_that_needs_layers_says_so_and_costs_its_images_alone(model, images):
    rows = run(made("torchattack:FIA", steps=2), model, images)
    assert {row.outcome.status for row in rows} == {Status.ERROR}
