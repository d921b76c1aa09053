"""The outcomes of ``harness.attack`` as arrays, one entry per image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.api import NORMS, CleanPrediction, Outcome, Status
from harness.library.tables import Table
from harness.report.presentation import Field, present

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
        images: the adversarial images, float32 (n, channels, height, width); a failed attack's last
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
        return np.isin(self.status, [each.value for each in Status if each.judged])

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
        return Table(present(FIELDS, self._rows()))

    def _rows(self) -> list[dict[str, Any]]:
        names = ("status", "clean", "target", "predicted", "margin", *NORMS)
        return [
            {
                "image": number,
                **{name: _plain(getattr(self, name)[number]) for name in names},
                "forwards": int(self.forwards[number]),
                "backwards": int(self.backwards[number]),
                "error": self.errors[number],
            }
            for number in range(len(self))
        ]

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
        rows, left = self._rows()[:SHOWN], len(self) - SHOWN
        fields = [f for f in FIELDS if any(row[f.key] is not None for row in rows)]
        more = [f"... and {left} more"] if left > 0 else []
        return Table(present(fields, rows, title=self.summary, notes=[*more, *self.notes]))

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_html_(self) -> str:
        return self._shown()._repr_html_()


def _number(value: float) -> str:
    return f"{value:.4g}"


FIELDS: tuple[Field[Mapping[str, Any]], ...] = (
    Field("image", "image", numeric=True),
    Field("status", "status"),
    Field("clean", "clean", "class predicted before the attack", numeric=True),
    Field("target", "target", "class to reach", numeric=True),
    Field("predicted", "predicted", "class of the adversarial image", numeric=True),
    Field(
        "margin", "margin", "in logits; positive: the goal is reached", show=_number, numeric=True
    ),
    *(Field(norm, norm, "distortion", show=_number, numeric=True) for norm in NORMS),
    Field("forwards", "forward passes", numeric=True),
    Field("backwards", "backward passes", numeric=True),
    Field("error", "error"),
)


def _plain(value: Any) -> Any:
    """A number of Python; None for NaN and for no class, as JSON and tables have them."""
    value = value.item()
    return None if value == -1 or value != value else value


def collected(
    clean: Sequence[CleanPrediction],
    outcomes: Sequence[Outcome],
    images: Tensor,
    notes: tuple[str, ...] = (),
) -> AttackResult:
    """The arrays of ``outcomes``, one per image; ``images``: the candidates, or the images."""
    return AttackResult(
        status=np.array([str(row.status) for row in outcomes], dtype=np.str_),
        clean=_classes([row.predicted for row in clean]),
        target=_classes([row.target for row in outcomes]),
        predicted=_classes([row.verdict.predicted for row in outcomes]),
        margin=np.array([_margin(row) for row in outcomes], dtype=np.float64),
        confident=np.array([row.confident for row in outcomes], bool),
        linf=_distortions(outcomes, "linf"),
        l2=_distortions(outcomes, "l2"),
        l1=_distortions(outcomes, "l1"),
        l0=_distortions(outcomes, "l0"),
        forwards=np.array([row.passes.forwards for row in outcomes], np.int64),
        backwards=np.array([row.passes.backwards for row in outcomes], np.int64),
        images=images.numpy(),
        numbers=_numbers(outcomes),
        errors=tuple(row.error for row in outcomes),
        notes=notes,
    )


def _classes(values: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([-1 if value is None else value for value in values], dtype=np.int64)


def _margin(row: Outcome) -> float:
    return np.nan if row.verdict.margin is None else row.verdict.margin


def _distortions(outcomes: Sequence[Outcome], norm: str) -> Distortions:
    values = [_distortion(row, norm) for row in outcomes]
    return np.array(values, dtype=np.float64).view(Distortions)


def _distortion(row: Outcome, norm: str) -> float:
    if not row.status.judged:
        return np.nan
    return float(getattr(row.norms, norm)) if row.status is Status.BROKEN else np.inf


def _numbers(outcomes: Sequence[Outcome]) -> dict[str, NDArray[np.float64]]:
    names = dict.fromkeys(name for row in outcomes for name in row.numbers)
    return {
        name: np.array([row.numbers.get(name, np.nan) for row in outcomes], dtype=np.float64)
        for name in names
    }
