"""What an attack is asked for, which class it aims at, and what it may see of the model."""

from __future__ import annotations

from enum import StrEnum

from harness.api.records import CleanPrediction
from harness.identity import seed_of


class Goal(StrEnum):
    """The adversary's goal (Su et al. 2018, section 3; the last one is in the released code).

    Attributes:
        rank: the place of the target class in the clean prediction's order: 0 the predicted class,
            1 the most likely other one, -1 the least likely; None: the order does not matter.
    """

    rank: int | None

    def __new__(cls, value: str, rank: int | None = None) -> Goal:
        goal = str.__new__(cls, value)
        goal._value_ = value
        goal.rank = rank
        return goal

    UNTARGETED = "untargeted"
    """Any class but the true one."""
    RANDOM = "random"
    """A random other class: one draw per image from the seed, the same for every model."""
    LEAST_LIKELY = "least-likely", -1
    """The class with the smallest clean logit."""
    SECOND_LIKELY = "second-likely", 1
    """The most likely class besides the clean prediction."""

    @property
    def targeted(self) -> bool:
        return self is not Goal.UNTARGETED

    def target(
        self, clean: CleanPrediction, *, seed: int, dataset: str, classes: int
    ) -> int | None:
        """The class to reach for a correctly classified image; None: any but the true one.

        The true class means that there is no such class: all logits are equal, or the prediction
        was stored without the class of this rank.

        Args:
            seed, dataset: of random targets; ``classes``: the model's number of classes.
        """
        if not self.targeted:
            return None
        if self.rank is None:
            return random_target(
                seed=seed,
                dataset=dataset,
                image_id=clean.image_id,
                label=clean.label,
                classes=classes,
            )
        target = clean.ranked(self.rank)
        return clean.label if target is None else target


NO_TARGET = "the clean prediction has no such target class (are all logits equal?)"
"""Why an image is not attacked whose target would be its true class."""


def random_target(*, seed: int, dataset: str, image_id: str, label: int, classes: int) -> int:
    """The image's random target class: uniform over the classes other than ``label``.

    It depends on seed, dataset and image alone, so it is the same for every model: one draw per
    image (Su et al. 2018, section 3). It is in no cell key: another draw needs a new
    `harness.identity.KEY_VERSION`.
    """
    draw = seed_of("random-target", seed, dataset, image_id) % (classes - 1)
    return draw + (draw >= label)


class Access(StrEnum):
    """What of the model an attack may see."""

    WHITE_BOX = "white box"
    """Logits and gradients."""
    SCORES = "scores"
    """Logits."""
    LABELS = "labels"
    """The predicted class."""
