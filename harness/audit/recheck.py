"""Stored verdicts once more: the same judgement of the saved candidate, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.api import NORMS, Candidates, Norm, Norms, Outcome, Status, Verdict
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.engine.judge import judge, to_8_bits

LOGIT_TOLERANCE = 1e-4
"""Logits closer than this, as a share of the largest, may swap places with the arithmetic."""
SAME_NORM = 1e-6
"""How far a stored norm may be off, relatively."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the stored cell declares of its attack."""

    norm: Norm
    budget: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A stored outcome with its candidate.

    Attributes:
        clean: the image that it was made from, on the host; None: it is not available.
    """

    outcome: Outcome
    candidate: Tensor
    clean: Tensor | None


@dataclass(frozen=True, slots=True)
class Recheck:
    """How a claim compares with the same judgement now.

    Attributes:
        verdict: how the verdict differs, in words; None: it does not.
        tie: whether that is a numerical tie, within `LOGIT_TOLERANCE`, and so not an error.
        measured: whether the clean image was available, and norms were compared.
        norms: how they differ; None: they do not.
    """

    verdict: str | None
    tie: bool
    measured: bool
    norms: str | None


def check(model: PixelClassifier, declared: Declaration, claims: Sequence[Claim]) -> list[Recheck]:
    """Judge the candidates of ``claims`` as the harness did, and compare.

    Without its clean image a candidate is not judged by its distortion.

    Raises:
        ModelError: the model fails.
    """
    judged = judge(
        model,
        declared,
        [_job(claim) for claim in claims],
        Candidates(torch.stack([claim.candidate for claim in claims])),
        eight_bit=any(claim.outcome.rounded for claim in claims),
    )
    return [_compared(model, claim, now.outcome) for claim, now in zip(claims, judged, strict=True)]


def _job(claim: Claim) -> Job:
    return Job(
        cell="",
        image_id=claim.outcome.image_id,
        image=claim.candidate if claim.clean is None else claim.clean,
        label=claim.outcome.label,
        target=claim.outcome.target,
        seed=0,
    )


def _compared(model: PixelClassifier, claim: Claim, now: Outcome) -> Recheck:
    stored = claim.outcome
    wrong: list[str] = []
    tie = True
    known = claim.clean is not None or stored.status is not Status.INVALID
    if now.verdict.predicted != stored.verdict.predicted or (
        known and now.status is not stored.status
    ):
        wrong.append(f"stored {_said(stored.verdict)}, now {_said(now.verdict)}")
        judgeable = now.status.judged and stored.status.judged
        tie = judgeable and _tied(model, claim.candidate, stored.verdict, now.verdict)
    if stored.rounded is not None:
        rounded = now.rounded or Verdict(Status.ERROR)
        if _class(rounded) != _class(stored.rounded):
            wrong.append(f"after rounding stored {_said(stored.rounded)}, now {_said(rounded)}")
            image = to_8_bits(claim.candidate)
            tie = tie and _tied(model, image, stored.rounded, rounded)
    return Recheck(
        verdict="; ".join(wrong) or None,
        tie=bool(wrong) and tie,
        measured=claim.clean is not None,
        norms=None if claim.clean is None else _differing(stored.norms, now.norms),
    )


def _tied(model: PixelClassifier, image: Tensor, stored: Verdict, now: Verdict) -> bool:
    """Whether the stored class is another one whose logit is as good as the largest."""
    was = stored.predicted
    if was is None or now.predicted in (None, was) or not 0 <= was < model.classes:
        return False
    logits = model.predict(image[None].to(model.device))[0].double()
    gap = float(logits.max() - logits[was])
    return gap <= LOGIT_TOLERANCE * float(logits.abs().max())


def _differing(stored: Norms, now: Norms) -> str | None:
    wrong = [
        f"{name} stored {before}, now {value}"
        for name in NORMS
        if not _same(before := getattr(stored, name), value := getattr(now, name))
    ]
    return "; ".join(wrong) or None


def _same(stored: float | None, now: float | None) -> bool:
    if stored is None or now is None:
        return stored is now
    return math.isclose(stored, now, rel_tol=SAME_NORM)


def _class(verdict: Verdict) -> tuple[Status, int | None]:
    return verdict.status, verdict.predicted


def _said(verdict: Verdict) -> str:
    return f"{verdict.status} (class {'none' if verdict.predicted is None else verdict.predicted})"
