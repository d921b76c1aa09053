"""Stored verdicts once more: the same judgement on the kept candidate, and how far it is off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.api import Candidates, Norm, Status
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged
from harness.engine.judge import judge, to_8_bits

LOGIT_TOLERANCE = 1e-4
"""Logits nearer than this, as a share of the largest, may change places with the arithmetic."""
SAME_NORM = 1e-6
"""How far a stored norm may be off, relatively."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the stored cell says of its attack."""

    norm: Norm
    budget: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Claim:
    """What is stored of a kept candidate.

    Attributes:
        clean: the image that it was made from, on the host; None: it is not at hand.
        norms: linf, l2, l1, l0.
    """

    candidate: Tensor
    clean: Tensor | None
    label: int
    target: int | None
    status: Status
    predicted: int | None
    norms: tuple[float | None, ...]
    rounded_status: Status | None
    rounded_predicted: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a claim.

    Attributes:
        verdict: how the verdict differs, in words; None: it does not.
        hair: whether that is by less than `LOGIT_TOLERANCE`, and so no error.
        clean: whether the clean image was at hand, and norms were compared.
        norms: how they differ; None: they do not.
    """

    verdict: str | None
    hair: bool
    clean: bool
    norms: str | None


def check(model: PixelClassifier, declared: Declaration, claims: Sequence[Claim]) -> list[Finding]:
    """Judge the candidates of ``claims`` as the harness did, and compare.

    Without its clean image a candidate is not judged by its distortion.

    Raises:
        ModelError: the model fails.
    """
    jobs = [
        Job(
            cell="",
            image_id="",
            image=claim.candidate if claim.clean is None else claim.clean,
            label=claim.label,
            target=claim.target,
            seed=0,
        )
        for claim in claims
    ]
    candidates = torch.stack([claim.candidate for claim in claims])
    judged = judge(
        model,
        declared,
        jobs,
        Candidates(candidates),
        *([0] * len(jobs), [0] * len(jobs)),
        eight_bit=any(claim.rounded_status for claim in claims),
    )
    return [_compared(model, claim, now) for claim, now in zip(claims, judged, strict=True)]


def _compared(model: PixelClassifier, claim: Claim, now: Judged) -> Finding:
    wrong: list[str] = []
    hair = True
    known = claim.clean is not None or claim.status is not Status.INVALID
    if now.predicted != claim.predicted or (known and now.status is not claim.status):
        wrong.append(
            f"stored {_verdict(claim.status, claim.predicted)},"
            f" now {_verdict(now.status, now.predicted)}"
        )
        judgeable = {now.status, claim.status} <= {Status.BROKEN, Status.ROBUST}
        hair = judgeable and _within_tolerance(
            model, claim.candidate, claim.predicted, now.predicted
        )
    rounded = now.rounded
    if claim.rounded_status is not None and (
        rounded is None
        or (rounded.status, rounded.predicted) != (claim.rounded_status, claim.rounded_predicted)
    ):
        there = (rounded.status, rounded.predicted) if rounded else (Status.ERROR, None)
        stored = _verdict(claim.rounded_status, claim.rounded_predicted)
        wrong.append(f"after rounding stored {stored}, now {_verdict(*there)}")
        image = to_8_bits(claim.candidate)
        hair = hair and _within_tolerance(model, image, claim.rounded_predicted, there[1])
    return Finding(
        verdict="; ".join(wrong) or None,
        hair=bool(wrong) and hair,
        clean=claim.clean is not None,
        norms=_norms(claim, now),
    )


def _within_tolerance(
    model: PixelClassifier, image: Tensor, stored: int | None, now: int | None
) -> bool:
    """Whether the stored class is another one whose logit is as good as the largest."""
    if stored is None or now is None or stored == now or not 0 <= stored < model.classes:
        return False
    logits = model.predict(image[None].to(model.device))[0].double()
    gap = float(logits.max() - logits[stored])
    return gap <= LOGIT_TOLERANCE * float(logits.abs().max())


def _norms(claim: Claim, now: Judged) -> str | None:
    if claim.clean is None:
        return None
    again = (now.linf, now.l2, now.l1, now.l0)
    wrong = [
        f"{name} stored {stored}, now {value}"
        for name, stored, value in zip(("linf", "l2", "l1", "l0"), claim.norms, again, strict=True)
        if not _same(stored, value)
    ]
    return "; ".join(wrong) or None


def _same(stored: float | None, now: float | None) -> bool:
    if stored is None or now is None:
        return stored is now
    return math.isclose(stored, now, rel_tol=SAME_NORM)


def _verdict(status: Status, predicted: int | None) -> str:
    return f"{status} (class {'none' if predicted is None else predicted})"
