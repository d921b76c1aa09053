"""Square against AutoAttack's and torchattacks', with the same queries."""

from __future__ import annotations

from contests import Contest
from rivals import Rival, batched
from subjects import Subject
from torch import Tensor

from harness_attacks.square.parameters import SquareL2, SquareLinf

QUERIES = 1000


def autoattack(norm: str, epsilon: float) -> Rival:
    """The authors' code, as AutoAttack carries it: one place and one size for a whole batch."""

    def attack(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        from pyautoattack.square import SquareAttack

        queries = QUERIES - 1  # after the start
        square = SquareAttack(subject.network, norm=norm, eps=epsilon, n_queries=queries)
        found: Tensor = square.perturb(images, labels)
        return found

    return batched(attack)


def torchattacks(norm: str, epsilon: float) -> Rival:
    def attack(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        from torchattacks import Square

        square = Square(
            subject.network, norm=norm, eps=epsilon, n_queries=QUERIES - 1, loss="margin"
        )
        found: Tensor = square(images, labels)
        return found

    return batched(attack)


def _contest(ours: type[SquareLinf] | type[SquareL2], norm: str, epsilon: float) -> Contest:
    return Contest(
        f"square-{norm.lower()}",
        norm.lower(),
        0,
        {"harness": ours(epsilon=epsilon, queries=QUERIES)},
        {
            "autoattack": autoattack(norm, epsilon),
            "torchattacks": torchattacks(norm, epsilon),
        },
        forwards=QUERIES,
        goals=("untargeted",),
    )


CONTESTS = (_contest(SquareLinf, "Linf", 0.15), _contest(SquareL2, "L2", 2.0))
