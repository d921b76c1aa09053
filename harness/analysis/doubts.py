"""What makes a model's numbers doubtful although nothing failed, one line for each reason."""

from __future__ import annotations

import math

from harness.analysis.place import Accuracy
from harness.api.trial import ModelTrial

ENOUGH = 20
"""The fewest images for which an accuracy is judged."""

_CHECK = "check its preprocessing and the order of its classes"


def doubts(trial: ModelTrial | None, accuracy: Accuracy, classes: int | None) -> tuple[str, ...]:
    """All that is doubtful about a model of a leaderboard."""
    counts = (accuracy.correct, accuracy.images, classes, accuracy.published)
    return (*([] if trial is None else of_trial(trial)), *of_accuracy(*counts))


def of_trial(trial: ModelTrial) -> list[str]:
    """The findings of a model's trial that cast doubt on its numbers."""
    found = []
    if not trial.deterministic:
        found.append(
            f"non-deterministic: the logits of two equal passes differ by {trial.difference:.2g} of"
            " the largest one, so verdicts may change from pass to pass"
        )
    if trial.outputs == "probabilities":
        found.append(
            "its outputs are probabilities: margins, confidences and losses assume logits;"
            " have it return the input of the softmax"
        )
    if trial.outputs == "log-probabilities":
        found.append("its outputs are log-probabilities: margins are the same as for logits")
    return found


def of_gradients(attack: str, flat: int, attacked: int) -> list[str]:
    """Whether an attack had no gradient to follow on some images."""
    if not flat:
        return []
    return [
        f"{flat} of {attacked} images: the first gradient of {attack} is exactly zero: gradient"
        " masking or a saturated loss"
    ]


def of_accuracy(
    correct: int, images: int, classes: int | None, published: float | None
) -> list[str]:
    """Whether an accuracy is no better than chance, or below half of the ``published`` share."""
    if images < ENOUGH:
        return []
    share, chance = correct / images, None if classes is None else 1 / classes
    if chance is not None and share <= chance + 2 * math.sqrt(chance * (1 - chance) / images):
        than = f"cannot be told from chance ({chance:.1%})"
    elif published is not None and share < published / 2:
        than = f"is below half of the published {published:.1%}"
    else:
        return []
    return [f"accuracy {share:.1%} of {images} images {than}: {_CHECK}"]
