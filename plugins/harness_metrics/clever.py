"""CLEVER (Weng et al. 2018): an estimated lower bound of the distortion that any attack needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.api import (
    Goal,
    Later,
    LeaderboardColumn,
    Measurement,
    MeasurementResult,
    Pair,
    Passes,
    Probe,
    Subject,
    look,
)
from harness_metrics.bounds import FAR, MANY

if TYPE_CHECKING:
    import numpy as np

    from harness_metrics.samples import Sampling

Ball = Literal["l1", "l2", "linf"]


class Clever(Measurement):
    """The margin over the local Lipschitz constant, which batch maxima of gradients estimate.

    For a target j the margin is g = Z_c - Z_j on the logits. The largest dual norms of its gradient
    over batches of samples around the image follow a reverse Weibull distribution, whose location
    estimates the Lipschitz constant L; the score is g / L, at most the radius where ``cap`` is set.
    Untargeted: the smallest score over the targets. It is an estimate, not a certificate
    (Goodfellow, arXiv 1804.07870).

    Numbers, for each norm: ``<norm>.score``, ``.lipschitz`` (location), ``.scale``, ``.shape``,
    ``.p``, ``.fallback`` (1: the largest gradient instead of a fit), ``.largest``, ``.margin``,
    ``.class``, ``.batches``, ``.samples``; with several targets those of each as
    ``<norm>.<class>.score`` and so on. Array ``<norm>.<class>``: the batch maxima.
    """

    goals: ClassVar[frozenset[Goal]] = frozenset(Goal)
    stochastic: ClassVar[bool] = True
    leaderboard_columns: ClassVar[Mapping[str, LeaderboardColumn]] = {
        f"{norm}.score": LeaderboardColumn(higher_is_more_robust=True)
        for norm in ("l1", "l2", "linf")
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "iclr": {},
        "survey-code": {
            "batches": 500,
            "samples": 1024,
            "radius_l1": 30.0,
            "radius_l2": 3.0,
            "radius_linf": 0.1,
            "sampling": "radial",
            "clip": True,
            "cap": False,
        },
    }

    norms: tuple[Ball, ...] = Field(
        ("l1", "l2", "linf"), min_length=1, description="the norms of the distortion"
    )
    batches: int = Field(500, ge=1, le=MANY, description="N, how many maxima are fitted")
    samples: int = Field(
        1024, ge=1, le=MANY, description="M, the samples per batch; one is not a batch"
    )
    radius_l1: float = Field(
        5.0, gt=0, le=FAR, description="of the l1 ball; the paper's 5 is unverified"
    )
    radius_l2: float = Field(5.0, gt=0, le=FAR, description="of the l2 ball (unverified)")
    radius_linf: float = Field(5.0, gt=0, le=FAR, description="of the linf ball (unverified)")
    sampling: Literal["ball", "radial"] = Field(
        "ball",
        description="uniform in the ball; or, as the released code, a direction times a uniform"
        " distance (l1, l2)",
    )
    clip: bool = Field(False, description="clip samples to the pixel range, as the released code")
    cap: bool = Field(
        True, description="scores are at most the radius; the released code's are not"
    )
    top: int | None = Field(
        None,
        ge=1,
        le=MANY,
        description="untargeted: only the most likely other classes (none: all)",
    )
    tolerance: float | None = Field(
        None,
        gt=0,
        le=FAR,
        description="end sampling once the 95% bootstrap interval of the location is narrower than"
        " this share of it (none: never)",
    )

    @property
    def scores(self) -> Mapping[str, str]:
        return {f"{norm}.score": "px" for norm in dict.fromkeys(self.norms)}

    def passes(self, goal: Goal, classes: int) -> Passes | None:
        others = 1 if goal is not Goal.UNTARGETED else min(self.top or classes, classes - 1)
        samples = len(set(self.norms)) * self.batches * self.samples
        return Passes(1 + samples, samples * others)

    def radius(self, norm: Ball) -> float:
        """The radius of the ball that samples come from."""
        return {"l1": self.radius_l1, "l2": self.radius_l2, "linf": self.radius_linf}[norm]

    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult | Later:
        from harness_metrics.clever_scores import Asked, score
        from harness_metrics.maxima import batch_maxima

        if nonsense := self._nonsense():
            return MeasurementResult(problem=nonsense)
        logits = look(probe.logits(subject.image[None])[0].double())
        if not logits.isfinite().all():
            return MeasurementResult(problem="the model returned NaN or infinity")
        others = self._others(subject, logits.tolist())
        pairs: list[Pair] = [(subject.label, other) for other in others]
        margins = [float(logits[subject.label] - logits[other]) for other in others]
        asked = []
        for norm in dict.fromkeys(self.norms):
            maxima = batch_maxima(self._sampling(norm), probe, subject, pairs)
            if maxima is None:
                return MeasurementResult(
                    problem=f"NaN or infinite gradients around the image ({norm})"
                )
            asked.append(Asked(norm, maxima, self.radius(norm) if self.cap else None))
        counts = {"batches": self.batches, "samples": self.samples}
        return Later(score, (tuple(asked), tuple(others), tuple(margins), counts))

    def _sampling(self, norm: Ball) -> Sampling:
        from harness_metrics.samples import Sampling

        return Sampling(
            norm=norm,
            radius=self.radius(norm),
            batches=self.batches,
            samples=self.samples,
            radial=self.sampling == "radial",
            clip=self.clip,
            tolerance=self.tolerance,
        )

    def _nonsense(self) -> str | None:
        """Why these settings measure nothing, whatever the image."""
        if self.samples == 1:
            return "one sample per batch: its gradient is not a maximum"
        return None

    def again(
        self, numbers: Mapping[str, float], arrays: Mapping[str, np.ndarray]
    ) -> MeasurementResult | None:
        """The stored maxima fitted again; the margins are those that were measured."""
        import numpy as np

        from harness_metrics.clever_scores import Asked, score

        if not arrays:
            return None
        norms = tuple(dict.fromkeys(self.norms))
        classes = {int(name.partition(".")[2]) for name in arrays}
        # Of two classes with equal scores the more likely one, with the smaller margin, counts.
        margins = {each: _margin(numbers, norms, each, len(classes)) for each in classes}
        others = sorted(classes, key=lambda each: (margins[each], each))
        asked = [
            Asked(
                norm,
                np.stack([arrays[f"{norm}.{other}"] for other in others], axis=1),
                self.radius(norm) if self.cap else None,
            )
            for norm in norms
        ]
        counts = {"batches": self.batches, "samples": self.samples}
        return score(asked, others, [margins[each] for each in others], counts)

    def _others(self, subject: Subject, logits: list[float]) -> list[int]:
        """The classes that the margin is measured against; the most likely ones first."""
        if subject.target is not None:
            return [subject.target]
        others = [each for each in range(len(logits)) if each != subject.label]
        others.sort(key=lambda each: (-logits[each], each))
        return others[: self.top]


def _margin(numbers: Mapping[str, float], norms: Sequence[str], other: int, classes: int) -> float:
    """The stored margin against the class; infinite where every norm's gradients are zero."""
    for norm in norms:
        name = f"{norm}.margin" if classes == 1 else f"{norm}.{other}.margin"
        if name in numbers:
            return numbers[name]
    return math.inf
