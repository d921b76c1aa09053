"""Claims about transfer on hand-made matrices."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import pytest
from findings_toy import evidence, matrix

from harness.api import Conclusion, Finding, TransferMatrix
from harness_su2018.findings.asymmetry import Asymmetric
from harness_su2018.findings.families import WithinFamily, _excess
from harness_su2018.findings.stripes import VggStripes
from harness_su2018.findings.transferability import FewerIterations, LargerEpsilon, Order


def of(finding: type[Finding]) -> Callable[[Sequence[TransferMatrix]], Conclusion]:
    """The finding on matrices alone."""
    return lambda matrices: finding().check(evidence(matrices=matrices))  # type: ignore


order, larger_epsilon, fewer_iterations = of(Order), of(LargerEpsilon), of(FewerIterations)
within_family, vgg_stripes, asymmetric = of(WithinFamily), of(VggStripes), of(Asymmetric)

FAMILIES = {
    **{f"vgg{i}": "VGG" for i in range(2)},
    **{f"inc{i}": "Inception" for i in range(4)},
    **{f"res{i}": "ResNet" for i in range(3)},
    **{f"mob{i}": "MobileNet" for i in range(3)},
}


def around(mean: float, seed: int = 0) -> Callable[[str, str], int]:
    source = random.Random(seed)
    return lambda *_: min(100, max(0, round(100 * mean + source.gauss(0, 5))))


def panel(label: str, mean: float, budget: float | None = 0.1, seed: int = 0) -> TransferMatrix:
    return matrix(label, FAMILIES, around(mean, seed), budget=budget)


class TestOrder:
    def all_four(self, *means: float) -> list[TransferMatrix]:
        labels = ("fgsm epsilon=0.1", "ifgsm epsilon=0.1 steps=10", "ead", "cw")
        return [
            panel(label, mean, 0.1 if "epsilon" in label else None, seed)
            for seed, (label, mean) in enumerate(zip(labels, means, strict=True))
        ]

    def test_holds(self) -> None:
        found = order(self.all_four(0.8, 0.5, 0.3, 0.1))
        assert found.verdict == "holds"
        assert sum(line.endswith(": holds") for line in found.details) == 3

    def test_one_pair_out_of_order(self) -> None:
        found = order(self.all_four(0.8, 0.5, 0.1, 0.3))
        assert found.verdict == "does not hold"
        assert "ead above cw" in found.figure
        assert found.interval
        assert found.interval[1] < 0

    def test_equals_are_undecided(self) -> None:
        assert order(self.all_four(0.8, 0.5, 0.3, 0.3)).verdict == "not enough data"

    @pytest.mark.parametrize("gone", range(4))
    def test_an_attack_without_transfers(self, gone: int) -> None:
        there = self.all_four(0.8, 0.5, 0.3, 0.1)
        del there[gone]
        assert order(there).verdict == "not enough data"

    def test_fgsm_stands_against_the_fewest_steps_of_its_own_epsilon(self) -> None:
        there = [
            *self.all_four(0.8, 0.5, 0.3, 0.1),
            panel("ifgsm epsilon=0.1", 0.9),  # 50 steps
            panel("ifgsm epsilon=0.3 steps=10", 0.95, 0.3),
            panel("cw kappa=40", 0.99, None),
        ]
        assert order(there).verdict == "holds"


class TestEpsilonAndIterations:
    def rising(self, *means: float) -> list[TransferMatrix]:
        return [
            panel(f"ifgsm epsilon={e} steps=10", mean, e, round(10 * e))
            for e, mean in zip((0.3, 0.1, 0.2), means, strict=True)
        ]

    def test_larger_epsilon(self) -> None:
        assert larger_epsilon(self.rising(0.7, 0.2, 0.4)).verdict == "holds"
        assert larger_epsilon(self.rising(0.3, 0.2, 0.4)).verdict == "does not hold"
        assert larger_epsilon(self.rising(0.4, 0.2, 0.4)).verdict == "not enough data"
        assert larger_epsilon(self.rising(0.7, 0.2, 0.4)[:1]).figure.startswith("no results")

    def test_epsilons_compare_at_equal_steps_alone(self) -> None:
        there = [panel("ifgsm epsilon=0.1 steps=10", 0.9), panel("ifgsm epsilon=0.3", 0.1, 0.3)]
        assert larger_epsilon(there).figure.startswith("no results")

    def test_fewer_iterations(self) -> None:
        def at(ten: float, fifty: float) -> str:
            there = [
                panel("ifgsm epsilon=0.3", fifty, 0.3, 1),
                panel("ifgsm epsilon=0.3 steps=10", ten, 0.3, 2),
                panel("ifgsm epsilon=0.1 steps=2", 0.99),
            ]
            return fewer_iterations(there).verdict

        assert at(0.6, 0.3) == "holds"
        assert at(0.3, 0.6) == "does not hold"
        assert at(0.4, 0.4) == "not enough data"

    def test_few_models_decide_nothing(self) -> None:
        small = {name: FAMILIES[name] for name in list(FAMILIES)[:4]}
        there = [matrix(f"fgsm epsilon={e}", small, around(3 * e), budget=e) for e in (0.1, 0.3)]
        found = larger_epsilon(there)
        assert found.verdict == "not enough data"
        assert "4 models with transfers, 5 are needed" in found.figure

    def test_notes_of_the_matrices_are_details(self) -> None:
        found = larger_epsilon([matrix("fgsm", FAMILIES, around(0.5), notes=["missing: much"])])
        assert "fgsm: missing: much" in found.details


def kin(source: str, target: str) -> bool:
    return FAMILIES[source] == FAMILIES[target]


class TestFamilies:
    def test_holds(self) -> None:
        rate = around(0.3)
        found = within_family(
            [matrix("ifgsm", FAMILIES, lambda s, t: 95 if kin(s, t) else rate(s, t))]
        )
        assert found.verdict == "holds"
        assert "within 0.950" in found.figure
        assert "permutation p = 0.0005" in found.figure

    def test_does_not_hold(self) -> None:
        found = within_family(
            [matrix("ifgsm", FAMILIES, lambda s, t: 10 if kin(s, t) else around(0.5)(s, t))]
        )
        assert found.verdict == "does not hold"

    def test_strong_sources_and_weak_targets_are_no_kinship(self) -> None:
        """Rates that are a source's strength times a target's weakness."""
        source = random.Random(5)
        force = {name: source.uniform(0.3, 0.9) for name in FAMILIES}
        found = within_family(
            [matrix("ifgsm", FAMILIES, lambda s, t: round(100 * force[s] * force[t]))]
        )
        assert found.verdict == "not enough data"

    def test_families_of_one(self) -> None:
        alone = {name: name for name in FAMILIES}
        found = within_family([matrix("ifgsm", alone, around(0.5))])
        assert found.verdict == "not enough data"

    def test_the_excess_by_loops(self) -> None:
        families = {"a": "F", "b": "F", "c": "G", "d": "G", "e": "H"}
        source = random.Random(9)
        rates = {(s, t): source.randrange(101) for s in families for t in families}
        found = within_family([matrix("ifgsm", families, lambda s, t: rates[s, t])])
        strangers = [(s, t) for s, t in rates if families[s] != families[t]]
        excess = [
            rates[s, t]
            - fmean(rates[pair] for pair in strangers if pair[0] == s)
            - fmean(rates[pair] for pair in strangers if pair[1] == t)
            + fmean(rates[pair] for pair in strangers)
            for s, t in rates
            if s != t and families[s] == families[t]
        ]
        assert f"excess {fmean(excess) / 100:+.3f}" in found.figure

    def test_the_bootstrap_by_loops(self) -> None:
        """One sample with a model twice, one left out, and one pair without a rate."""
        names = list("abcde")
        table = np.random.default_rng(1).random((5, 5))
        np.fill_diagonal(table, np.nan)
        table[0, 3] = np.nan
        kin = np.asarray([[(s in "ab" and t in "ab") or (s in "cd" and t in "cd") or s == t
                           for t in names] for s in names])  # fmt: skip
        weights = np.asarray([2.0, 1, 1, 0, 1])
        drawn = [0, 0, 1, 2, 4]
        pairs = [(s, t) for s in drawn for t in drawn if np.isfinite(table[s, t])]
        across = [pair for pair in pairs if not kin[pair]]
        excess = [
            table[s, t]
            - fmean(table[pair] for pair in across if pair[0] == s)
            - fmean(table[pair] for pair in across if pair[1] == t)
            + fmean(table[pair] for pair in across)
            for s, t in pairs
            if kin[s, t]
        ]
        assert _excess(table, kin, weights[None])[0] == pytest.approx(fmean(excess))


class TestStripes:
    def found(self, vgg: float, best: float = 0.3) -> TransferMatrix:
        means = {"VGG": vgg, "Inception": 0.2, "ResNet": best, "MobileNet": 0.1}
        source = random.Random(7)
        return matrix(
            "ifgsm",
            FAMILIES,
            lambda s, t: round(100 * means[FAMILIES[s] or ""] + source.uniform(-5, 5)),
        )

    def test_verdicts(self) -> None:
        assert vgg_stripes([self.found(0.8)]).verdict == "holds"
        worse = vgg_stripes([self.found(0.2)])
        assert worse.verdict == "does not hold"
        assert "VGG against ResNet" in worse.figure
        assert vgg_stripes([self.found(0.3)]).verdict == "not enough data"

    def test_kin_of_the_source_are_no_targets(self) -> None:
        """Transfer within ResNet and within VGG alone is no stripe."""
        there = matrix("ifgsm", FAMILIES, lambda s, t: 99 if kin(s, t) else 30)
        assert vgg_stripes([there]).verdict == "not enough data"

    def test_without_vgg(self) -> None:
        others = {name: family for name, family in FAMILIES.items() if family != "VGG"}
        assert (
            "no model of the family VGG"
            in vgg_stripes([matrix("ifgsm", others, around(0.5))]).figure
        )


class TestAsymmetry:
    def test_holds(self) -> None:
        found = asymmetric([matrix("ifgsm", FAMILIES, lambda s, t: 80 if s < t else 30)])
        assert found.verdict == "holds"
        expected = math.sqrt(0.25 - 0.16 / 99 - 0.21 / 99)
        assert f"difference {expected:.3f}" in found.figure
        assert "+0.500" in found.figure

    def test_chance_of_few_images_is_no_asymmetry(self) -> None:
        """Equal true rates: the raw difference of 100 images is 0.07, above what counts."""
        source = random.Random(8)
        many = {f"m{i}": None for i in range(30)}
        there = matrix("ifgsm", many, lambda *_: sum(source.random() < 0.5 for _ in range(100)))
        found = asymmetric([there])
        assert found.verdict == "does not hold"

    def test_one_direction_alone(self) -> None:
        there = matrix("ifgsm", FAMILIES, lambda s, t: 50 if s < t else None)
        assert asymmetric([there]).verdict == "not enough data"

    def test_nothing(self) -> None:
        assert asymmetric([]).verdict == "not enough data"
        # A search for the smallest epsilon has no fixed budget.
        assert asymmetric([panel("ifgsm", 0.5, None)]).figure.startswith("no results")
