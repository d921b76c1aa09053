"""The log-linear law on trial against a constant, a power, a bent and any monotone law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.api import Conclusion, Evidence, Finding, Part, conclude
from harness.api.finding import FindingVerdict
from harness.api.frontier import Point
from harness_laws.comparison import (
    AS_GOOD,
    DECISIVE,
    FEWEST,
    Comparison,
    arrays,
    compare,
    compare_frontier,
)
from harness_laws.findings.subjects import Subject, subjects
from harness_laws.fits import LawName, fit

CLAIMED: LawName = "log-linear"


class Law(Finding):
    """One conclusion for each attack."""

    title = "the log-linear law predicts best"
    claim = (
        "of a constant, a + b ln(error), c error^p, a line with one bend and any monotone curve the"
        " log-linear law predicts the robustness of a model left out best"
    )
    source = "Su et al. 2018, section 4.2, has the law; the trial is this check's"
    rule = (
        "the squared errors of the laws at models left out one by one, in proportion to the"
        " robustness unless models scatter evenly, the frontier chosen anew without each; intervals"
        " by a bootstrap over models; twice the logarithm of the odds between two laws is (models -"
        " 4) ln(ratio of their mean squares); preferred is the simplest law against which it is"
        f" {AS_GOOD:g} at most, if against every other law as simple it is {DECISIVE:g} or more;"
        f" at least {FEWEST} models; the Pareto-optimal models decide, and where robustness is a"
        " robust accuracy all models"
    )

    def check(self, evidence: Evidence) -> Sequence[Conclusion]:
        found = subjects(evidence)
        if not found:
            return [conclude([], lacking="an attack")]
        return [_conclusion(subject) for subject in found]


def _conclusion(subject: Subject) -> Conclusion:
    parts = list(_parts(subject))
    return conclude(
        parts[:1],
        *map(str, parts[1:]),
        *subject.gaps,
        lacking=subject.robustness,
        of=subject.of,
        title=f"{Law.title} ({subject.of})",
    )


def _parts(subject: Subject) -> Iterator[Part]:
    if not subject.steps:
        yield part(f"{subject.title}, frontier", compare_frontier(subject.points))
    yield part(f"{subject.title}, all models", compare(subject.points), _line(subject.points))
    regimes = subject.by_regime()
    for name, points in regimes.items() if len(regimes) > 1 else ():
        yield part(f"{subject.title}, training {name}", compare(points), _line(points))


def _line(points: Sequence[Point]) -> str:
    """The fitted log-linear law."""
    if len({point.error for point in points}) < 2:
        return ""
    found = fit(CLAIMED, *arrays(points)).coefficients
    return f"; y = {found['a']:.4g} {found['b']:+.4g} ln(error)"


def part(what: str, comparison: Comparison, more: str = "") -> Part:
    """A comparison as a part of the claim; the interval is of the nearest rival's excess."""
    if not comparison.tried:
        return Part(what, "not enough data", f"{comparison.models} models, {FEWEST} are needed")
    best, *others = comparison.tried
    size = ".1%" if comparison.proportional else ".3g"
    shown = [
        f"{each.law} {each.error:{size}}"
        + (f" ({each.excess:+.0%}, odds {each.odds:.1f})" if each is not best else "")
        for each in comparison.tried
    ]
    figure = f"{decision(comparison)}; errors at {comparison.models} models left out: "
    return Part(what, _verdict(comparison), figure + ", ".join(shown) + more, others[0].interval)


def decision(comparison: Comparison) -> str:
    """What is preferred, or how many models would tell."""
    if comparison.preferred is not None:
        return f"{comparison.preferred} preferred"
    text: str = comparison.decision
    if comparison.candidates:
        text += f": {', '.join(comparison.candidates)}"
    if comparison.needed is not None:
        text += f"; about {comparison.needed} models would tell"
    return text


def _verdict(comparison: Comparison) -> FindingVerdict:
    if comparison.preferred is None:
        # A law that is worse than the best is refuted, whichever of the others it is.
        standing = {each.law: each.standing for each in comparison.tried}
        return "does not hold" if standing.get(CLAIMED) == "worse" else "not enough data"
    return "holds" if comparison.preferred == CLAIMED else "does not hold"
