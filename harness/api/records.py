"""What the harness finds out about one image: frozen records, without torch or database ids.

The engine yields them, worker processes send them, the writer stores them and metrics read them. A
new fact about an image is a field here and a column in a migration; a view shows it to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
else:  # read verbs need the name alone, and numpy takes long to import
    Array = object


class Status(StrEnum):
    """The result of one image of a cell, in a word."""

    CLEAN_WRONG = "clean_wrong"
    """Misclassified before any attack: excluded."""
    ROBUST = "robust"
    """Attacked; the goal was not reached."""
    BROKEN = "broken"
    """Attacked; the goal was reached, by the harness's own forward pass."""
    INVALID = "invalid"
    """The attack's candidate holds NaN, leaves [0, 1] or exceeds its budget: neither of the two."""
    ERROR = "error"
    """The attack, the model or the reader failed: neither of the two."""
    MEASURED = "measured"
    """Measured, not attacked; a measurement without a valid result is ``invalid``."""

    @property
    def judged(self) -> bool:
        """Attacked with a verdict: the denominator of success rates."""
        return self in (Status.ROBUST, Status.BROKEN)

    @property
    def failed(self) -> bool:
        """Without a result: counted in no rate, and shown as missing."""
        return self in (Status.INVALID, Status.ERROR)

    @property
    def retryable(self) -> bool:
        """Whether ``--retry-errors`` computes the image again, and the new result replaces it."""
        return self.failed


FAILED = tuple(sorted(status for status in Status if status.failed))
"""The statuses without a result."""


class Norm(StrEnum):
    """The norm of the perturbation that an attack bounds or minimises."""

    LINF = "linf"
    L2 = "l2"
    L1 = "l1"
    L0 = "l0"


NORMS = tuple(norm.value for norm in Norm)
"""The norms' names: those of the fields of `Norms`, and of columns."""


@dataclass(frozen=True, slots=True)
class Norms:
    """The norms of candidate minus image in pixel space; None where there is no finite candidate.

    Attributes:
        l0: the number of changed values.
    """

    linf: float | None = None
    l2: float | None = None
    l1: float | None = None
    l0: int | None = None


@dataclass(frozen=True, slots=True)
class Passes:
    """Passes through the model for one image; those of the harness's verdict do not count.

    Attributes:
        forwards: forward passes.
        backwards: backward passes; of an attack each belongs to a forward pass, a measurement may
            follow several directions from one.
    """

    forwards: int = 0
    backwards: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The harness's judgement of a candidate.

    Attributes:
        predicted: the candidate's class; None where there is no finite prediction.
        margin: how far the goal is reached, in logits; positive where it is.
    """

    status: Status
    predicted: int | None = None
    margin: float | None = None


class ImageKey(NamedTuple):
    """What makes an image the same one within its dataset; a tuple, because there are many.

    A file that changed is another image, and so is one whose label was corrected.

    Attributes:
        name: the image's id.
        digest: SHA-256 of its source, empty where it cannot be read.
        label: the true class, 0-based.
    """

    name: str
    digest: str
    label: int


LIKELIEST = 5
"""How many of the most likely classes a clean prediction holds."""


@dataclass(frozen=True, slots=True)
class CleanPrediction:
    """A model's prediction of one image before any attack; ``predicted`` is None where it failed.

    Attributes:
        label: the true class.
        margin: the true class's logit minus the largest other one.
        least: the least likely class.
        second: the most likely class besides the prediction.
        likeliest: the `LIKELIEST` most likely classes, the prediction first; None: not stored, as
            in databases of earlier versions.
        error: one line, where it failed.
    """

    image_id: str
    label: int
    predicted: int | None = None
    margin: float | None = None
    least: int | None = None
    second: int | None = None
    likeliest: tuple[int, ...] | None = None
    error: str | None = None

    @property
    def correct(self) -> bool:
        return self.predicted == self.label

    def ranked(self, rank: int) -> int | None:
        """The class at this place, most likely first, -1 the last; None: not known."""
        if rank == -1:
            return self.least
        order = self.likeliest or (self.predicted, self.second)
        return order[rank] if 0 <= rank < len(order) else None


TRACE_PASSES = tuple(digit * 10**power for power in range(6) for digit in (1, 2, 5))
"""The numbers of passes at which a `BestQuery`'s trace has the best distance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestQuery:
    """The nearest adversarial one of all images at which an attack had the model evaluated.

    Attributes:
        status: the harness's own verdict on it; ``robust`` also where no query was adversarial.
        distance: in the attack's norm; None where no query was adversarial.
        passes: forward and backward passes made for the image when it was found, its own forward
            included.
        trace: the smallest distance within each of `TRACE_PASSES`, None where there was none yet;
            it ends with the first of these that ``passes`` does not exceed.
    """

    status: Status
    distance: float | None = None
    passes: int | None = None
    trace: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one image of an attack's cell.

    Attributes:
        label: the true class.
        target: the class to reach; None for the untargeted goal and where it is not known.
        confident: whether the image is broken with the margin kappa that the attack aims for.
        passes: those that the attack made.
        numbers: further numbers from the attack; what is not finite is not stored.
        rounded: the verdict, robust or broken, on the candidate rounded to 8 bits; None where there
            is none, as in runs that did not ask for it.
        best_query: None where nobody looked: stepped attacks without a budget of passes, attacks
            that refuse it, databases of earlier versions.
        error: one line: why the candidate is invalid, or what failed.
    """

    image_id: str
    label: int
    target: int | None = None
    verdict: Verdict
    confident: bool = False
    norms: Norms = Norms()
    passes: Passes = Passes()
    numbers: Mapping[str, float] = field(default_factory=dict)
    rounded: Verdict | None = None
    best_query: BestQuery | None = None
    error: str | None = None

    @property
    def status(self) -> Status:
        return self.verdict.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result of one image of a measurement's cell.

    Attributes:
        status: ``measured``, ``clean_wrong``, ``invalid`` or ``error``.
        target: the class the goal refers to; None for the untargeted goal and where it is unknown.
        passes: those that the measurement made.
        numbers: what is not finite is not stored.
        arrays: float32 (n,) each.
        error: one line: why it is invalid, or what failed.
    """

    image_id: str
    target: int | None = None
    status: Status
    passes: Passes = Passes()
    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    error: str | None = None
