"""What an attack is asked for, what it may see, and how its size is measured."""

from __future__ import annotations

from enum import StrEnum


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


class Norm(StrEnum):
    """The norm of the perturbation that an attack bounds or minimises."""

    LINF = "linf"
    L2 = "l2"
    L1 = "l1"
    L0 = "l0"


class Access(StrEnum):
    """What of the model an attack may see."""

    WHITE_BOX = "white box"
    """Logits and gradients."""
    SCORES = "scores"
    """Logits."""
    LABELS = "labels"
    """The predicted class."""
