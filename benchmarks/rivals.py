"""Other libraries' attacks behind one signature: a subject in, adversarial images out.

foolbox, torchattacks, adv-lib and the Adversarial Robustness Toolbox (ART), each with the settings
of the comparison: 9 binary-search steps, const 1e-3, learning rate .01, random targets.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable

import numpy as np
import torch
from subjects import Subject
from torch import Tensor

Rival = Callable[[Subject], Tensor]
"""Attacks all images of the subject in batches; returns float32 images of the same shape."""

SEARCH_STEPS, CONST, RATE, BETA = 9, 1e-3, 1e-2, 1e-3


LIBRARIES = {
    "adv-lib": "adv_lib",
    "autoattack": "pyautoattack",
    "foolbox": "foolbox",
    "torchattacks": "torchattacks",
}


def installed(case: str) -> bool:
    """Whether the library that ``case`` is named after is here; says so where it is not."""
    library = LIBRARIES.get(case.split(",")[0])
    here = library is None or importlib.util.find_spec(library) is not None
    if not here:
        print(f"{case} left out: it is not installed")
    return here


def batched(attack: Callable[[Subject, Tensor, Tensor, Tensor], Tensor]) -> Rival:
    """``attack`` of a subject's images, labels and targets, one batch after the other."""

    def run(subject: Subject) -> Tensor:
        parts = zip(
            subject.images.split(subject.batch),
            subject.labels.split(subject.batch),
            subject.targets.split(subject.batch),
            strict=True,
        )
        return torch.cat([attack(subject, *part).detach() for part in parts])

    return run


def adv_lib_cw(iterations: int, *, abort: bool) -> Rival:
    return batched(
        lambda subject, images, labels, targets: adv_lib().carlini_wagner_l2(
            subject.network,
            images,
            targets if subject.targeted else labels,
            targeted=subject.targeted,
            learning_rate=RATE,
            initial_const=CONST,
            binary_search_steps=SEARCH_STEPS,
            max_iterations=iterations,
            abort_early=abort,
        )
    )


def foolbox_cw(iterations: int, *, abort: bool) -> Rival:
    import foolbox

    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=SEARCH_STEPS,
        steps=iterations,
        stepsize=RATE,
        initial_const=CONST,
        abort_early=abort,
    )
    return _foolbox(attack)


def foolbox_ead(iterations: int, *, abort: bool) -> Rival:
    import foolbox

    attack = foolbox.attacks.EADAttack(
        binary_search_steps=SEARCH_STEPS,
        steps=iterations,
        initial_stepsize=RATE,
        initial_const=CONST,
        regularization=BETA,
        decision_rule="L1",
        abort_early=abort,
    )
    return _foolbox(attack)


def torchattacks_ead(iterations: int, *, abort: bool) -> Rival:
    """EADL1; the library's CW has no search over const and is left out."""
    import torchattacks

    def run(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        attack = torchattacks.EADL1(
            subject.network,
            lr=RATE,
            binary_search_steps=SEARCH_STEPS,
            max_iterations=iterations,
            abort_early=abort,
            initial_const=CONST,
            beta=BETA,
        )
        attack.set_mode_targeted_by_label(quiet=True)
        adversarial: Tensor = attack(images, targets)
        return adversarial

    return batched(run)


def art_cw(iterations: int) -> Rival:
    return _art(
        "CarliniL2Method",
        learning_rate=RATE,
        binary_search_steps=SEARCH_STEPS,
        max_iter=iterations,
        initial_const=CONST,
    )


def art_ead(iterations: int) -> Rival:
    return _art(
        "ElasticNet",
        learning_rate=RATE,
        binary_search_steps=SEARCH_STEPS,
        max_iter=iterations,
        initial_const=CONST,
        beta=BETA,
        decision_rule="L1",
    )


def adv_lib_pgd_search(steps: int, attempts: int, first: float, *, step: float) -> Rival:
    """Each image's smallest epsilon: doubled until PGD succeeds, then bisected, the best kept."""
    pgd = adv_lib().pgd_linf

    def run(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        best, smallest = images.clone(), torch.full((len(images),), torch.inf)
        low, high = torch.zeros(len(images)), torch.full((len(images),), torch.inf)
        epsilon = torch.full((len(images),), first)
        for _ in range(attempts):
            found = pgd(
                subject.network,
                images,
                targets,
                epsilon,
                targeted=True,
                steps=steps,
                random_init=False,
                relative_step_size=step,
            )
            # It returns the original image where it failed.
            distance = (found - images).flatten(1).abs().amax(1)
            success = distance > 0
            nearer = success & (distance < smallest)
            best[nearer], smallest[nearer] = found[nearer], distance[nearer]
            high = torch.where(success, epsilon.minimum(high), high)
            low = torch.where(success, low, epsilon.maximum(low))
            epsilon = torch.where(high.isinf(), epsilon * 2, (low + high) / 2)
        return best

    return batched(run)


def foolbox_attack(name: str, **settings: float | int | str) -> Rival:
    """The attack of that name in foolbox, which is imported when it runs."""

    def run(subject: Subject) -> Tensor:
        import foolbox

        return _foolbox(getattr(foolbox.attacks, name)(**settings))(subject)

    return run


def _foolbox(attack: object) -> Rival:
    import foolbox

    def run(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        model = foolbox.PyTorchModel(subject.network, bounds=(0, 1), device=images.device)
        criterion = foolbox.criteria.TargetedMisclassification(targets)
        if not subject.targeted:
            criterion = foolbox.criteria.Misclassification(labels)
        adversarial: Tensor = attack.run(model, images, criterion)  # type: ignore[attr-defined]
        return adversarial

    return batched(run)


def _art(name: str, **settings: float | int | str) -> Rival:
    from art.attacks import evasion
    from art.estimators.classification import PyTorchClassifier

    def run(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        classifier = PyTorchClassifier(
            subject.network,
            loss=torch.nn.CrossEntropyLoss(),
            input_shape=tuple(images.shape[1:]),
            nb_classes=subject.model.classes,
            clip_values=(0, 1),
            device_type="cpu",
        )
        attack = getattr(evasion, name)(
            classifier, targeted=True, batch_size=subject.batch, verbose=False, **settings
        )
        wanted = np.eye(subject.model.classes, dtype=np.float32)[targets.numpy()]
        return torch.from_numpy(attack.generate(images.contiguous().numpy(), wanted)).float()

    return batched(run)


def adv_lib() -> types.ModuleType:
    """Its attacks."""
    # It imports visdom for its plots, whose source distribution does not build everywhere.
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    import adv_lib.attacks

    return adv_lib.attacks
