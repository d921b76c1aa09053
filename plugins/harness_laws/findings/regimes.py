"""How many laws a suite's models follow, and whether those of different training differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.api import Conclusion, Evidence, Finding, conclude
from harness.api.finding import FindingVerdict
from harness_laws import declared, mixture
from harness_laws.comparison import arrays
from harness_laws.findings.subjects import UNKNOWN, Subject, subjects
from harness_laws.fits import fit

SIGNIFICANT = 0.05
NAMED = 8
"""Models of a regime that are named."""


class Regimes(Finding):
    """One conclusion for each attack."""

    title = "the models are of several regimes"
    claim = (
        "one law of robustness over accuracy does not serve all models: they fall into two or"
        " three regimes, or follow other laws by their declared training"
    )
    source = "this check's own claim"
    rule = (
        "holds where the declared regimes' curves lie further apart than by chance (p <="
        f" {SIGNIFICANT}, residuals from a common curve permuted), or where a mixture of two or"
        f" three regressions is better by {mixture.DECISIVE:g} in its completed likelihood"
        f" criterion than any other number; does not hold where one is; at least {mixture.FEWEST}"
        f" models for the number, {declared.FEWEST} for declared regimes of at least"
        f" {declared.FEWEST_EACH} models each"
    )

    def check(self, evidence: Evidence) -> Sequence[Conclusion]:
        found = subjects(evidence)
        if not found:
            return [conclude([], lacking="an attack")]
        return [_conclusion(subject) for subject in found]


def _conclusion(subject: Subject) -> Conclusion:
    errors, robustness = arrays(subject.points)
    labels = declared.declared(errors, robustness, subject.training)
    found = mixture.regimes(errors, robustness)
    figures = [_counted(found), *_said(labels)]
    details = [*_lines(subject), *_members(subject, found), *subject.gaps]
    return Conclusion(
        _verdict(found, labels.p),
        f"{subject.title}: {'; '.join(figures)}",
        details=tuple(details),
        of=subject.of,
        title=f"{Regimes.title} ({subject.of})",
    )


def _verdict(found: mixture.Regimes, p: float | None) -> FindingVerdict:
    if (p is not None and p <= SIGNIFICANT) or (found.decided and found.count > 1):
        return "holds"
    return "does not hold" if found.decided else "not enough data"


def _counted(found: mixture.Regimes) -> str:
    if not found.criteria:
        return f"{found.models} models, {mixture.FEWEST} are needed to count regimes"
    least = min(found.criteria.values())
    others = [
        f"{count}: +{criterion - least:.1f}"
        for count, criterion in found.criteria.items()
        if count != found.count
    ]
    regimes = "1 regime" if found.count == 1 else f"{found.count} regimes"
    how = "supported" if found.decided else "likeliest, but not decided"
    apart = f" (criterion of {', '.join(others)})" if others else ""
    return f"{regimes} {how} by {found.models} models{apart}"


def _said(labels: declared.Declared) -> Iterator[str]:
    named = [f"{name} {count}" for name, count in labels.regimes.items()]
    if labels.p is not None:
        yield f"declared {', '.join(named)}: permutation p = {labels.p:.4f}"
    elif labels.regimes and labels.left_out:
        yield f"declared regimes are not compared, too few models: {', '.join(labels.left_out)}"


def _lines(subject: Subject) -> Iterator[str]:
    """The log-linear law of each declared regime, where there are several."""
    regimes = subject.by_regime()
    for name, points in regimes.items() if len(regimes) > 1 else ():
        what = f"training {name}" if name != UNKNOWN else "training not declared"
        if len({point.error for point in points}) < declared.FEWEST_EACH:
            yield f"{what}: {len(points)} models, no fit"
            continue
        line = fit("log-linear", *arrays(points)).coefficients
        yield (
            f"{what}: {subject.robustness} = {line['a']:.4g} {line['b']:+.4g} ln(error) over"
            f" {len(points)} models"
        )


def _members(subject: Subject, found: mixture.Regimes) -> Iterator[str]:
    """Who is in each regime that the mixture found, the least robust first."""
    for regime in range(found.count if found.count > 1 else 0):
        names = [
            point.name
            for point, own in zip(subject.points, found.members, strict=True)
            if own == regime
        ]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"found regime {regime + 1}: {', '.join(names[:NAMED])}{more}"
