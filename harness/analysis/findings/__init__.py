"""The study's claims as checks on stored results. Su et al. 2018, arXiv 1808.01688.

One file per claim; `evidence` is what they look at, `verdicts` how they decide.
"""

from __future__ import annotations

from harness.analysis.findings import (
    asymmetry,
    depth,
    families,
    family_or_size,
    goals,
    large_kappa,
    scaling,
    stripes,
    success,
    transferability,
)
from harness.analysis.findings.evidence import Evidence, gather
from harness.analysis.findings.verdicts import Finding, Verdict
from harness.analysis.results import SuiteResults

__all__ = ["Evidence", "Finding", "Verdict", "check", "findings", "gather"]


def findings(suite: SuiteResults) -> tuple[Finding, ...]:
    """Every claim on a suite's results."""
    return check(gather(suite))


def check(evidence: Evidence) -> tuple[Finding, ...]:
    """Every claim on the evidence."""
    panels = evidence.matrices
    return (
        *scaling.scaling_laws(evidence),
        family_or_size.family_or_size(evidence),
        depth.depth(evidence),
        goals.least_likely(evidence),
        success.fgsm_weak(evidence),
        success.fgsm_falls(evidence),
        success.ifgsm_strong(evidence),
        success.minimal_strong(evidence),
        large_kappa.large_kappa(evidence),
        transferability.order(panels),
        transferability.larger_epsilon(panels),
        transferability.fewer_iterations(panels),
        families.within_family(panels),
        stripes.vgg_stripes(panels),
        asymmetry.asymmetric(panels),
    )
