"""Claims about CLEVER and targeted transfer: planted to hold, not to hold, without enough data."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from findings_toy import evidence, matrix, sizes, trial

from harness.api import Conclusion, Evidence, ScoreOutcomes, TransferMatrix
from harness_su2018.findings.clever import CleverBelow, CleverLaw, CleverRanks
from harness_su2018.findings.targeted import Seldom, TargetedEpsilon, TargetedFamily

MODELS = [f"m{place:02d}" for place in range(12)]
IMAGES = 40


def scored(
    score: Callable[[int, float], float], *, errors: bool = False, target: int | None = None
) -> Evidence:
    """Twelve models; ``score`` of a model and the distortion of its image.

    With ``errors``, error and distortion follow the law.
    """
    source, wrong = random.Random(0), {}
    for place, name in enumerate(MODELS):
        mean = 0.1 * (place + 1) if not errors else 1 + 0.2 * math.log(0.05 * (place + 1))
        found = [mean * math.exp(source.gauss(0, 0.05)) for _ in range(IMAGES)]
        wrong[name] = sizes(found, errors=5 * (place + 1) if errors else 0, of=100)
    there = trial("cw", wrong, norm="l2")
    values = {
        name: {i: score(place, size) for i, size in each.attacked.by_image.items()}
        for place, (name, each) in enumerate(wrong.items())
    }
    targets = {name: dict.fromkeys(each, target) for name, each in values.items()}
    scores = ScoreOutcomes("clever", "clever", "l2.score", "random", values, (), targets)
    return replace(evidence(there), scores=(scores,))


@pytest.mark.parametrize(
    ("score", "ranks", "below"),
    [
        (lambda place, size: size / 2, "holds", "holds"),
        (lambda place, size: 20 - size, "does not hold", "does not hold"),
        (lambda place, size: (7 * place % 12 + 1) / 1000, "not enough data", "holds"),
    ],
    ids=["half", "reversed", "shuffled"],
)
def test_scores_beside_distortions(
    score: Callable[[int, float], float], ranks: str, below: str
) -> None:
    there = scored(score)
    assert CleverRanks().check(there).verdict == ranks
    assert CleverBelow().check(there).verdict == below


def test_scores_of_another_target_are_not_compared() -> None:
    there = scored(lambda place, size: size / 2, target=3)
    for finding in (CleverRanks(), CleverBelow()):
        found = finding.check(there)
        assert (
            found.figure
            == "no results: CLEVER and an attack that minimises its norm, for the"
            + (" same images and targets")
        )


def test_the_law_of_scores() -> None:
    def law(there: Evidence) -> Conclusion:
        (found,) = CleverLaw().check(there)  # type: ignore[misc]
        return found  # type: ignore[return-value]

    found = law(scored(lambda place, size: size / 3, errors=True))
    assert (found.verdict, found.of) == ("holds", "l2")
    assert found.interval
    assert found.interval[0] < 0.2 / 3 < found.interval[1]
    flat = law(scored(lambda place, size: 0.1 + 0.001 * (7 * place % 12), errors=True))
    assert flat.verdict != "holds"
    nothing = CleverLaw().check(evidence())
    assert isinstance(nothing, Conclusion)
    assert nothing.verdict == "not enough data"


FAMILIES = {f"{family}{number}": family for family in "abc" for number in range(4)}


def targeted(label: str, within: int, across: int, budget: float = 0.1) -> TransferMatrix:
    def hits(source: str, target: str) -> int:
        jitter = (ord(source[0]) * 3 + int(source[1]) * 5 + int(target[1])) % 3
        return (within if source[0] == target[0] else across) + jitter

    found = matrix(label, FAMILIES, hits, images=1000, budget=budget)
    return replace(found, goal="random", k=5)


@pytest.mark.parametrize(
    ("within", "across", "classes", "verdicts"),
    [
        (300, 20, 1000, ("holds", "holds")),
        (20, 300, 1000, ("does not hold", "does not hold")),
        (300, 20, 10, ("not enough data", "holds")),
    ],
)
def test_targets(within: int, across: int, classes: int, verdicts: tuple[str, str]) -> None:
    panels = (targeted("ifgsm epsilon=0.1", within, across),)
    there = replace(evidence(), targeted=panels, classes=tuple(map(str, range(classes))))
    assert (Seldom().check(there).verdict, TargetedFamily().check(there).verdict) == verdicts
    names = replace(there, classes=(), labels={1: classes - 1})
    assert Seldom().check(names).verdict == verdicts[0]


def test_larger_epsilon_and_targets() -> None:
    def verdict(small: int, large: int) -> str:
        panels = (
            targeted("ifgsm epsilon=0.3", large, large // 3, 0.3),
            targeted("ifgsm epsilon=0.1", small, small // 3),
        )
        return TargetedEpsilon().check(replace(evidence(), targeted=panels)).verdict

    assert verdict(100, 200) == "holds"
    assert verdict(200, 100) == "does not hold"
    assert TargetedEpsilon().check(evidence()).verdict == "not enough data"
