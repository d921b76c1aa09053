"""The outcomes of ``harness.attack`` as arrays, one entry per image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Status
from harness.engine.clean import CleanPrediction
from harness.engine.jobs import Judged
from harness.library.tables import Table
from harness.report.tables import Column

SHOWN = 20
"""Images that a printed result lists."""


class Distortions(np.ndarray):
    """Distortions in one norm, float64 (n,): how far each image had to be moved.

    inf where the attack failed; NaN where nothing was attacked. So quantiles count a failure as a
    model that is robust at any distance.
    """

    def median(self) -> float:
        """The median over the attacked images, failures as infinite; NaN without any."""
        attacked = np.sort(np.asarray(self)[~np.isnan(self)])
        if not len(attacked):
            return float("nan")
        low, high = attacked[(len(attacked) - 1) // 2], attacked[len(attacked) // 2]
        return float(low if low == high else (low + high) / 2)


@dataclass(frozen=True, slots=True)
class Row:
    """One image while outcomes are collected; one without ``status`` is still to be attacked."""

    clean: CleanPrediction
    target: int | None
    seed: int
    status: Status | None = None
    error: str | None = None
    judged: Judged | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AttackResult:
    """What became of each image, in the order given; arrays have one entry per image.

    Attributes:
        status: `harness.api.Status` values: ``broken``, ``robust``, ``clean_wrong``, ``invalid``,
            ``error``.
        clean: the class predicted before the attack, -1 where there is none.
        target: the class to reach, -1 where there is none.
        predicted: the class of the adversarial image, -1 where there is none.
        margin: how far the goal is reached, in logits: positive on success.
        confident: whether the margin reaches the attack's kappa too.
        linf, l2, l1, l0: distortions in pixel space; l0 counts changed values.
        forwards, backwards: passes that the attack took.
        images: the adversarial images, float32 (n, 3, height, width); a failed attack's last
            iterate; the clean image where nothing was attacked.
        numbers: what else the attack reports, NaN where it reports nothing.
        errors: the reason where the status is ``invalid`` or ``error``.
        notes: what is doubtful about the model's outputs, one line each.
    """

    status: NDArray[np.str_]
    clean: NDArray[np.int64]
    target: NDArray[np.int64]
    predicted: NDArray[np.int64]
    margin: NDArray[np.float64]
    confident: NDArray[np.bool_]
    linf: Distortions
    l2: Distortions
    l1: Distortions
    l0: Distortions
    forwards: NDArray[np.int64]
    backwards: NDArray[np.int64]
    images: NDArray[np.float32]
    numbers: Mapping[str, NDArray[np.float64]]
    errors: tuple[str | None, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.status)

    @property
    def success(self) -> NDArray[np.bool_]:
        """Whether the attack reached its goal within its budget, by the harness's own verdict."""
        return np.asarray(self.status == Status.BROKEN.value)

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """Whether there is a verdict: the image was attacked, and the attack kept its contract."""
        return np.isin(self.status, (Status.BROKEN.value, Status.ROBUST.value))

    @property
    def accuracy(self) -> float:
        """The share of all images that the model gets right before any attack."""
        right = (self.clean >= 0) & (self.status != Status.CLEAN_WRONG.value)
        return float(right.mean()) if len(self) else np.nan

    @property
    def success_rate(self) -> float:
        """The share of the attacked images on which the attack succeeded."""
        return float(self.success[self.attacked].mean()) if self.attacked.any() else np.nan

    @property
    def robust_accuracy(self) -> float:
        """The share of all images that are classified correctly and not broken.

        Images with ``error`` or ``invalid`` count as broken: a crash is not robustness.
        """
        return float(np.mean(self.status == Status.ROBUST.value)) if len(self) else np.nan

    def table(self) -> Table:
        """The outcomes, one row per image."""
        names = ("status", "clean", "target", "predicted", "margin", "linf", "l2", "l1", "l0")
        rows = [
            {
                "image": number,
                **{name: _plain(getattr(self, name)[number]) for name in names},
                "forwards": int(self.forwards[number]),
                "backwards": int(self.backwards[number]),
                "error": self.errors[number],
            }
            for number in range(len(self))
        ]
        return Table("outcomes", COLUMNS, rows)

    def to_pandas(self) -> Any:
        """The outcomes as a pandas DataFrame, one row per image; see `Table.to_pandas`."""
        return self.table().to_pandas()

    @property
    def summary(self) -> str:
        """One line: how many images, and the rates with their denominators."""
        attacked = int(self.attacked.sum())
        return (
            f"{len(self)} images, accuracy {self.accuracy:.1%}; {attacked} attacked,"
            f" success rate {self.success_rate:.1%}, robust accuracy {self.robust_accuracy:.1%}"
        )

    def _shown(self) -> Table:
        rows, left = self.table().rows[:SHOWN], len(self) - SHOWN
        columns = [c for c in COLUMNS if any(row[c.key] is not None for row in rows)]
        more = [f"... and {left} more"] if left > 0 else []
        return Table(self.summary, columns, rows, [*more, *self.notes])

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_html_(self) -> str:
        return self._shown()._repr_html_()


def _number(value: float) -> str:
    return f"{value:.4g}"


COLUMNS = (
    Column("image", "image", right=True),
    Column("status", "status"),
    Column("clean", "clean", right=True),
    Column("target", "target", right=True),
    Column("predicted", "predicted", right=True),
    Column("margin", "margin", _number, right=True),
    *(Column(norm, norm, _number, right=True) for norm in ("linf", "l2", "l1", "l0")),
    Column("forwards", "forward passes", right=True),
    Column("backwards", "backward passes", right=True),
    Column("error", "error"),
)


def _plain(value: Any) -> Any:
    """A number of Python; None for NaN and for no class, as JSON and tables have them."""
    value = value.item()
    return None if value == -1 or value != value else value


def collected(rows: Sequence[Row], images: Tensor, notes: tuple[str, ...] = ()) -> AttackResult:
    """The arrays of ``rows``, one per image."""
    judged = [row.judged for row in rows]
    adversarial = images.clone()
    for number, found in enumerate(judged):
        if found is not None and found.candidate is not None:
            adversarial[number] = found.candidate
    return AttackResult(
        status=np.array([str(row.status) for row in rows], dtype=np.str_),
        clean=_classes([row.clean.predicted for row in rows]),
        target=_classes([row.target for row in rows]),
        predicted=_classes([found.predicted if found else None for found in judged]),
        margin=np.array([_margin(found) for found in judged], dtype=np.float64),
        confident=np.array([found is not None and found.confident for found in judged], bool),
        linf=_distortions(judged, "linf"),
        l2=_distortions(judged, "l2"),
        l1=_distortions(judged, "l1"),
        l0=_distortions(judged, "l0"),
        forwards=np.array([found.forwards if found else 0 for found in judged], np.int64),
        backwards=np.array([found.backwards if found else 0 for found in judged], np.int64),
        images=adversarial.numpy(),
        numbers=_numbers(judged),
        errors=tuple(row.judged.error if row.judged else row.error for row in rows),
        notes=notes,
    )


def _classes(values: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([-1 if value is None else value for value in values], dtype=np.int64)


def _margin(found: Judged | None) -> float:
    return np.nan if found is None or found.margin is None else found.margin


def _distortions(judged: Sequence[Judged | None], norm: str) -> Distortions:
    values = [_distortion(found, norm) for found in judged]
    return np.array(values, dtype=np.float64).view(Distortions)


def _distortion(found: Judged | None, norm: str) -> float:
    if found is None or found.status not in (Status.BROKEN, Status.ROBUST):
        return np.nan
    return float(getattr(found, norm)) if found.status is Status.BROKEN else np.inf


def _numbers(judged: Sequence[Judged | None]) -> dict[str, NDArray[np.float64]]:
    own = [dict(found.numbers or {}) if found else {} for found in judged]
    names = dict.fromkeys(name for numbers in own for name in numbers)
    return {
        name: np.array([numbers.get(name, np.nan) for numbers in own], dtype=np.float64)
        for name in names
    }
