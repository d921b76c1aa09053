"""What an attack is asked for, what it may see, and how its size is measured."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import assert_never


class Goal(StrEnum):
    """The adversary's goal (Su et al. 2018, section 3; the last one is in the released code)."""

    UNTARGETED = "untargeted"
    """Any class but the true one."""
    RANDOM = "random"
    """A random other class: one draw per image from the seed, the same for every model."""
    LEAST_LIKELY = "least-likely"
    """The class with the smallest clean logit."""
    SECOND_LIKELY = "second-likely"
    """The most likely class besides the clean prediction."""

    @property
    def targeted(self) -> bool:
        return self is not Goal.UNTARGETED

    def target(
        self, *, second: int | None, least: int | None, draw: Callable[[], int]
    ) -> int | None:
        """The class to reach for an image; None: any but the true one.

        Args:
            second: the most likely class besides the clean prediction; ``least``: the least likely.
            draw: the image's random class.
        """
        match self:
            case Goal.UNTARGETED:
                return None
            case Goal.RANDOM:
                return draw()
            case Goal.LEAST_LIKELY:
                return least
            case Goal.SECOND_LIKELY:
                return second
        assert_never(self)


class Access(StrEnum):
    """What of the model an attack may see."""

    WHITE_BOX = "white box"
    """Logits and gradients."""
    SCORES = "scores"
    """Logits."""
    LABELS = "labels"
    """The predicted class."""
