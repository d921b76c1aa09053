"""Claims about success and distortion: planted to hold, not to hold, and without enough data."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from typing import Any

import pytest
from board_toy import Bench
from boards import results
from findings_toy import Score, evidence, outcomes, score, sizes, trial

from harness.analysis.evidence import gather
from harness.analysis.findings import Found, check
from harness.api import Evidence, ModelFacts
from harness.plugins import installed
from harness_su2018.findings.depth import Depth, exponent
from harness_su2018.findings.family_or_size import FamilyOrSize, family_errors, size_errors
from harness_su2018.findings.goals import LeastLikely
from harness_su2018.findings.large_kappa import LargeKappa
from harness_su2018.findings.parameters import kappa, steps
from harness_su2018.findings.scaling import ScalingLaws
from harness_su2018.findings.success import FgsmFalls, FgsmWeak, IfgsmStrong, MinimalStrong

fgsm_weak, fgsm_falls = FgsmWeak().check, FgsmFalls().check
ifgsm_strong, minimal_strong = IfgsmStrong().check, MinimalStrong().check
large_kappa, least_likely = LargeKappa().check, LeastLikely().check
scaling_laws, depth, family_or_size = ScalingLaws().check, Depth().check, FamilyOrSize().check

NAMES = tuple("abcdefgh")


def every(broken: int, robust: int) -> dict[str, Score]:
    return {name: score(broken, robust) for name in NAMES}


def noisy(mean: float, seed: int, images: int = 60) -> list[float]:
    source = random.Random(seed)
    return [mean * math.exp(source.gauss(0, 0.1)) for _ in range(images)]


class TestTargetedFgsm:
    def test_weak_everywhere(self) -> None:
        found = fgsm_weak(evidence(trial("fgsm epsilon=0.1", every(1, 199), budget=0.1)))
        assert found.verdict == "holds"
        assert "0.005, 8 of 1600" in found.figure
        assert found.interval
        assert found.interval[0] < 0.005 < found.interval[1] < 0.03

    def test_strong_at_one_epsilon(self) -> None:
        found = fgsm_weak(
            evidence(
                trial("fgsm epsilon=0.1", every(1, 199), budget=0.1),
                trial("fgsm epsilon=0.2", every(20, 180), budget=0.2),
            )
        )
        assert found.verdict == "does not hold"
        assert "fgsm epsilon=0.2" in found.figure
        assert len([line for line in found.details if line.startswith("fgsm epsilon")]) == 2

    def test_one_strong_model_decides_though_the_pool_is_weak(self) -> None:
        scores = {**every(0, 1000), "h": score(100, 900)}
        found = fgsm_weak(evidence(trial("fgsm epsilon=0.1", scores, budget=0.1)))
        assert found.verdict == "does not hold"
        assert "1 of 8 models against it: h" in found.figure

    def test_few_images_tell_nothing(self) -> None:
        few = trial("fgsm epsilon=0.1", {"a": score(0, 20)}, budget=0.1)
        assert fgsm_weak(evidence(few)).verdict == "not enough data"

    def test_untargeted_is_not_meant(self) -> None:
        found = fgsm_weak(evidence(trial("fgsm", every(9, 1), "untargeted", budget=0.3)))
        assert (found.verdict, found.interval) == ("not enough data", None)
        assert found.figure == "no results: FGSM with a targeted goal"

    @pytest.mark.parametrize(
        ("at_two", "verdict"),
        [(2, "holds"), (30, "does not hold"), (10, "not enough data")],
    )
    def test_falling(self, at_two: int, verdict: str) -> None:
        small = {name: score(10 + i % 3, 90) for i, name in enumerate(NAMES)}
        large = {name: score(at_two + (i + 1) % 3, 90) for i, name in enumerate(NAMES)}
        trials = (trial("fgsm epsilon=0.2", large, budget=0.2),
                  trial("fgsm epsilon=0.1", small, budget=0.1))  # fmt: skip
        assert fgsm_falls(evidence(*trials)).verdict == verdict

    def test_falling_needs_five_models(self) -> None:
        trials = [
            trial(f"fgsm epsilon={e}", {n: score(30 - int(99 * e), 9) for n in "abcd"}, budget=e)
            for e in (0.1, 0.2)
        ]
        found = fgsm_falls(evidence(*trials))
        assert found.verdict == "not enough data"
        assert "4 models, 5 are needed" in found.figure


class TestStrongAttacks:
    def test_ifgsm(self) -> None:
        def verdict(broken: int, robust: int) -> str:
            return ifgsm_strong(evidence(trial("ifgsm", every(broken, robust)))).verdict

        assert verdict(1000, 0) == "holds"
        assert verdict(95, 5) == "does not hold"
        assert verdict(30, 0) == "not enough data"

    def test_what_has_no_verdict_could_be_anything(self) -> None:
        scores = {name: score(1000, 0, unknown=50) for name in NAMES}
        found = ifgsm_strong(evidence(trial("ifgsm", scores)))
        assert found.verdict == "not enough data"
        assert found.interval
        assert found.interval[0] < 0.96
        assert found.interval[1] == 1.0
        assert any("images without a verdict: a (50)" in line for line in found.details)

    def test_half_of_the_models_are_not_all(self) -> None:
        gone = trial("ifgsm", {"a": score(1000), "b": score(1000)}, absent=("c", "d", "e"))
        found = ifgsm_strong(evidence(gone))
        assert found.verdict == "not enough data"
        assert any("without results: c, d, e" in line for line in found.details)

    def test_minimum_norm_attacks_at_kappa_0_alone(self) -> None:
        good, bad = every(500, 5), every(100, 400)
        there = trial("cw", good, norm="l2"), trial("cw kappa=40", bad, norm="l2")
        found = minimal_strong(evidence(*there))
        assert found.verdict == "holds"
        assert minimal_strong(evidence(trial("ead", bad, norm="l1"))).verdict == "does not hold"
        assert minimal_strong(evidence(trial("cw", every(5, 0)))).verdict == "not enough data"
        assert minimal_strong(evidence(trial("cw kappa=40", bad))).figure.startswith("no results")


def aligned(rho: int, models: int = 18) -> Evidence:
    """Confident success that falls (-1) or rises (1) with distortion, or has nothing to do."""
    order = [17 * i % models if rho == 0 else i for i in range(models)]
    small = {f"m{i}": sizes([0.1 + 0.01 * i] * 10) for i in range(models)}
    large = {
        f"m{i}": score(100, confident=50 + (rho or 1) * place) for i, place in enumerate(order)
    }
    return evidence(trial("cw", small), trial("cw kappa=20", {}), trial("cw kappa=40", large))


class TestLargeKappa:
    def test_verdicts(self) -> None:
        assert large_kappa(aligned(1)).verdict == "holds"
        assert large_kappa(aligned(-1)).verdict == "does not hold"
        assert "rho = -1.00" in large_kappa(aligned(-1)).figure
        assert large_kappa(aligned(-1, models=4)).verdict == "not enough data"

    def test_unrelated(self) -> None:
        found = large_kappa(aligned(0, models=40))
        assert found.verdict == "holds"
        assert found.interval
        assert -0.5 < found.interval[0] < found.interval[1] < 0.6

    def test_equal_success_tells_nothing(self) -> None:
        small = {name: sizes([0.1 + i]) for i, name in enumerate(NAMES)}
        same = {name: score(10, confident=10) for name in NAMES}
        found = large_kappa(evidence(trial("cw", small), trial("cw kappa=40", same)))
        assert found.verdict == "not enough data"
        assert "same confident success" in found.figure


def on_a_line(models: int, *, images: int = 400) -> dict[str, Score]:
    """All models Pareto-optimal: 1 + 0.2 ln(error), and noise."""
    scores = {}
    for i in range(models):
        errors = round(images * 0.5 * 0.7**i)
        size = 1 + 0.2 * math.log(errors / images)
        scores[f"m{i}"] = sizes(noisy(size, i, 200), errors=errors, of=images)
    return scores


class TestScalingLaw:
    def test_holds_on_a_planted_line(self) -> None:
        (found,) = scaling_laws(evidence(trial("ifgsm", on_a_line(9))))
        assert (found.verdict, found.of) == ("holds", "ifgsm")
        assert found.interval
        assert found.interval[0] < 0.2 < found.interval[1]
        assert "9 of 9 models on the frontier" in found.figure

    def test_does_not_hold_on_a_frontier_with_a_corner(self) -> None:
        # Robustness stays all but equal between very unequal models: monotone, far from a line.
        errors = (390, 380, 370, 360, 2, 1)
        scores = {
            f"m{i}": sizes([1 - 0.001 * i if i else 10.0] * 100, errors=wrong, of=400)
            for i, wrong in enumerate(errors)
        }
        (found,) = scaling_laws(evidence(trial("ifgsm", scores)))
        assert found.verdict == "does not hold"

    def test_under_five_models_on_the_frontier(self) -> None:
        (found,) = scaling_laws(evidence(trial("cw", on_a_line(4), norm="l2")))
        assert found.verdict == "not enough data"
        assert "4 Pareto-optimal models, 5 are needed" in found.figure

    def test_a_rather_straight_frontier_that_chance_makes_as_well(self) -> None:
        """Accuracy and robustness have nothing to do with each other, whatever R2 says."""
        source = random.Random(15)
        drawn = [(source.randrange(100, 900), 0.1 + source.random()) for _ in range(40)]
        scores = {
            f"m{i}": sizes([size] * 100, errors=errors, of=1000)
            for i, (errors, size) in enumerate(drawn)
        }
        (found,) = scaling_laws(evidence(trial("ifgsm", scores)))
        assert "R2 = 0.734 (0." in found.figure
        assert "6 of 40 models on the frontier, permutation p = 0.2" in found.figure
        assert found.verdict == "not enough data"

    def test_images_that_resisted_have_no_distortion(self) -> None:
        resisted = dict.fromkeys(range(200, 240), math.inf)
        scores = {
            name: Score(each.right, outcomes({**each.attacked.by_image, **resisted}))
            for name, each in on_a_line(9).items()
        }
        assert scaling_laws(evidence(trial("ifgsm", scores)))[0].verdict == "holds"

    def test_one_finding_an_attack_at_its_smallest_kappa(self) -> None:
        found = scaling_laws(
            evidence(
                trial("cw kappa=40", on_a_line(6), norm="l2"),
                trial("cw", on_a_line(6), "least-likely", norm="l2"),
                trial("ead", on_a_line(3), norm="l1"),
                trial("fgsm", on_a_line(6), budget=0.1),
            )
        )
        assert [each.of for each in found] == ["cw", "ead"]

    def test_nothing_at_all(self) -> None:
        (found,) = scaling_laws(evidence())
        assert found.verdict == "not enough data"


class TestLeastLikely:
    @pytest.mark.parametrize(
        ("times", "verdict"), [(1.5, "holds"), (0.7, "does not hold"), (1.0, "not enough data")]
    )
    def test_verdicts(self, times: float, verdict: str) -> None:
        easy = {name: sizes(noisy(0.1, i)) for i, name in enumerate(NAMES)}
        hard = {name: sizes(noisy(0.1 * times, 50 + i)) for i, name in enumerate(NAMES)}
        found = least_likely(evidence(trial("ifgsm", easy), trial("ifgsm", hard, "least-likely")))
        assert found.verdict == verdict

    def test_only_images_that_both_goals_broke(self) -> None:
        easy = {name: sizes([0.1, 0.1, 9.0, math.inf]) for name in NAMES}
        hard = {name: sizes([0.2, 0.2, math.inf, 9.0]) for name in NAMES}
        found = least_likely(evidence(trial("cw", easy), trial("cw", hard, "least-likely")))
        assert "2.000 times the distortion over 8 models and 16 images" in found.figure

    def test_one_goal_alone(self) -> None:
        assert least_likely(evidence(trial("cw", every(9, 0)))).verdict == "not enough data"


def deep(exponent_: float, images: int = 60) -> tuple[dict[str, Score], dict[str, ModelFacts]]:
    """Three families of three depths; families differ much more than depths."""
    scores, models = {}, {}
    for family, base in (("A", 1.0), ("B", 0.1), ("C", 0.01)):
        for layers in (10, 20, 40):
            name = f"{family}{layers}"
            models[name] = ModelFacts(name, family, 1000 * layers, layers)
            scores[name] = sizes(noisy(base * layers**exponent_, layers, images))
    return scores, models


class TestDepth:
    @pytest.mark.parametrize(
        ("planted", "verdict"), [(0.3, "holds"), (-0.3, "does not hold"), (0.0, "not enough data")]
    )
    def test_recovers_the_exponent(self, planted: float, verdict: str) -> None:
        scores, models = deep(planted)
        found = depth(evidence(trial("ifgsm", scores), models=models))
        assert found.interval
        # The noise of depth 10, 20 and 40 is drawn alike for all families.
        assert found.interval[0] - 0.02 < planted < found.interval[1] + 0.02
        if planted:
            assert found.verdict == verdict

    def test_is_least_squares_with_a_level_for_each_family(self) -> None:
        import numpy as np

        scores, models = deep(0.2)
        part = exponent(trial("ifgsm", scores), models)
        logs = [math.log(scores[name].attacked.mean or 0) for name in models]
        columns = [[float(m.family == f) for m in models.values()] for f in "ABC"]
        columns.append([math.log(m.layers or 0) for m in models.values()])
        solved = np.linalg.lstsq(np.asarray(columns).T, np.asarray(logs), rcond=None)[0]
        assert f"e = {solved[-1]:+.3f}" in part.figure

    def test_equal_depths_and_unknown_families_say_nothing(self) -> None:
        models = {name: ModelFacts(name, "F", 1, 24) for name in NAMES}
        found = depth(evidence(trial("ifgsm", every(20, 0)), models=models))
        assert found.verdict == "not enough data"
        assert "no family with models of different depths" in found.figure

    def test_few_images(self) -> None:
        scores, models = deep(0.3, images=9)
        assert depth(evidence(trial("ifgsm", scores), models=models)).verdict == "not enough data"


def kin(by_family: bool) -> tuple[dict[str, Score], dict[str, ModelFacts]]:
    """Robustness that follows the family, or the size and nothing else."""
    scores, models = {}, {}
    source = random.Random(2)
    sizes_ = [10 ** (3 + i / 5) for i in range(18)]
    source.shuffle(sizes_)
    for i, parameters in enumerate(sizes_):
        family = "ABCDEF"[i // 3]
        name = f"{family}{i}"
        level = "CAFBED".index(family) / 3 if by_family else math.log10(parameters)
        models[name] = ModelFacts(name, family, round(parameters), None)
        scores[name] = sizes([math.exp(level + source.gauss(0, 0.05))])
    return scores, models


class TestFamilyOrSize:
    def test_verdicts(self) -> None:
        scores, models = kin(by_family=True)
        found = family_or_size(evidence(trial("ifgsm", scores), models=models))
        assert found.verdict == "holds"
        assert "permutation p of the family = 0.0005" in found.figure
        scores, models = kin(by_family=False)
        found = family_or_size(evidence(trial("ifgsm", scores), models=models))
        assert found.verdict == "does not hold"

    def test_single_member_families_are_left_out(self) -> None:
        scores, models = kin(by_family=True)
        single = ModelFacts("z", "Z", 5, None)
        found = family_or_size(
            evidence(trial("cw", {**scores, "z": sizes([50.0])}), models={**models, "z": single})
        )
        assert "over 18 models of 6 families" in found.figure
        assert any(line.endswith("unknown size: z") for line in found.details)

    def test_one_family_is_no_comparison(self) -> None:
        models = {name: ModelFacts(name, "F", 10 + i, None) for i, name in enumerate(NAMES)}
        found = family_or_size(evidence(trial("cw", every(9, 0)), models=models))
        assert found.verdict == "not enough data"

    def test_errors_are_those_of_refitting_without_the_model(self) -> None:
        import numpy as np

        robustness, size, families = [1.0, 2.0, 4.0, 3.5, 0.5], [1.0, 2.0, 3.0, 5.0, 4.0], "aabab"
        for left in range(5):
            others = [i for i in range(5) if i != left]
            slope, level = np.polyfit([size[i] for i in others], [robustness[i] for i in others], 1)
            expected = (robustness[left] - level - slope * size[left]) ** 2
            assert size_errors(robustness, size)[left] == pytest.approx(expected)
            mates = [robustness[i] for i in others if families[i] == families[left]]
            expected = (robustness[left] - sum(mates) / len(mates)) ** 2
            assert family_errors(robustness, families)[left] == pytest.approx(expected)


def test_labels_tell_parameters() -> None:
    def of(label: str) -> tuple[float, float]:
        attack = trial(label, {}).attack
        return kappa(attack), steps(attack)

    assert of("cw") == (0.0, 50)
    assert of("cw kappa=40 iterations=50") == (40.0, 50)
    assert of("ifgsm epsilon=0.1 steps=10") == (0.0, 10)
    assert of("ead kappa=2.5e1 search_steps=3") == (25.0, 50)


def claims(there: Evidence) -> list[Found]:
    return [each for each in check(there, installed()) if each.plugin == "su2018"]


def test_no_evidence_is_not_enough_data_everywhere() -> None:
    found = claims(evidence())
    assert len(found) == 22
    assert {finding.verdict for finding in found} == {"not enough data"}
    assert all(finding.details[0].startswith("rule: ") for finding in found)


def test_equal_evidence_makes_equal_findings() -> None:
    there: Mapping[str, Score] = on_a_line(6)
    again = [claims(evidence(trial("ifgsm", there))) for _ in range(2)]
    assert again[0] == again[1]


def test_parameters_are_those_stored_whatever_the_label_says(bench: Bench, define: Any) -> None:
    """Labels leave out defaults, and a later version may have others."""
    names = ("stored", "older")
    bench.run(define("a", [named(name) for name in names]), 1)
    bench.clean("a", [True])
    for name in names:
        bench.attack("a", [0.1], attack="ifgsm", label=name)
    for label, about, identity in (
        ("stored", {"parameters": {"steps": 10, "kappa": 2.0}}, {"parameters": {"steps": 3}}),
        ("older", {}, {"parameters": {"kappa": 40.0}}),  # before all of them were stored
    ):
        bench.sql.execute(
            "UPDATE components SET about = ?, identity = ? WHERE id ="
            " (SELECT attack_id FROM cells WHERE label = ?)",
            (json.dumps(about), json.dumps(identity), label),
        )
    bench.commit()
    found = {trial.attack.label: trial.attack for trial in gather(results(bench.sql)).trials}
    assert {name: (steps(each), kappa(each)) for name, each in found.items()} == {
        "stored": (10, 2), "older": (50, 40)
    }  # fmt: skip


def named(label: str) -> dict[str, Any]:
    return {
        "name": "ifgsm", "label": label, "norm": "linf", "budget": None, "goals": ["random"]
    }  # fmt: skip
