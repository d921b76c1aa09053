from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from boards import results
from transfer_toy import Toy, attack, clean_cells, panel, suite_of

from harness.analysis.transfer.fingerprint import (
    FamilyScore,
    calibrated,
    fingerprint,
    leave_one_out,
    log_likelihoods,
    ranked,
)
from harness.errors import ConfigError

FAMILIES = {"a1": "A", "b1": "B", "b2": "B", "c1": "C", "c2": "C", "c3": "C", "d1": "D", "d2": "D"}
IMAGES = 60
Profiles = dict[str, dict[tuple[int, str], tuple[int, int]]]


def drawn(rng: random.Random, *, kin: float, others: float, spread: float = 0.05) -> Profiles:
    """Two panels' profiles whose rates depend on kinship alone, up to each pair's own noise."""
    found: Profiles = {target: {} for target in FAMILIES}
    for target, family in FAMILIES.items():
        for source in FAMILIES:
            for number in range(2 if source != target else 0):
                centre = kin if FAMILIES[source] == family else others
                rate = min(1.0, max(0.0, rng.gauss(centre, spread)))
                hits = sum(rng.random() < rate for _ in range(IMAGES))
                found[target][number, source] = (hits, IMAGES)
    return found


def test_planted_families_are_found_up_to_the_ceiling() -> None:
    found = leave_one_out(drawn(random.Random(0), kin=0.7, others=0.3), FAMILIES)
    assert (found.right, found.models, found.ceiling, found.wrong) == (7, 8, 7, {})


def test_without_families_the_ranking_is_chance_and_the_odds_say_so() -> None:
    """No transfer depends on kinship: neither the accuracy nor the probabilities may claim it."""
    right = ceiling = 0
    tops = []
    for seed in range(20):
        seen = drawn(random.Random(seed), kin=0.4, others=0.4)
        found = leave_one_out(seen, FAMILIES)
        right, ceiling = right + found.right, ceiling + found.ceiling
        temper = calibrated({t: p for t, p in seen.items() if t != "b1"}, FAMILIES)
        members = dict.fromkeys("ABCD", 1)
        tops.append(ranked(log_likelihoods(seen, FAMILIES, "b1"), members, temper)[0].probability)
    assert right / ceiling < 0.5
    assert sum(tops) / len(tops) < 0.5


def test_log_likelihoods_equal_plain_loops() -> None:
    seen = drawn(random.Random(3), kin=0.8, others=0.2)
    for model in FAMILIES:
        found = log_likelihoods(seen, FAMILIES, model)
        for family in {FAMILIES[other] for other in FAMILIES if other != model}:
            total, count = 0.0, 0
            for (number, source), (hits, images) in seen[model].items():
                prior_hits, prior_images = 0.5, 1.0
                mine_hits, mine_images = 0.0, 0.0
                for target in FAMILIES:
                    if target == model:
                        continue
                    for other in FAMILIES:
                        if other in (model, target):
                            continue
                        own = seen[target][number, other]
                        relatives = FAMILIES[other] == FAMILIES[target]
                        if FAMILIES[source] == family:
                            take = relatives
                        else:
                            take = other == source and not relatives
                        if take:
                            prior_hits, prior_images = prior_hits + own[0], prior_images + own[1]
                        if other == source and FAMILIES[target] == family:
                            mine_hits, mine_images = mine_hits + own[0], mine_images + own[1]
                prior = prior_hits / prior_images
                rate = (mine_hits + IMAGES * prior) / (mine_images + IMAGES)
                total += hits * math.log(rate) + (images - hits) * math.log(1 - rate)
                count += 1
            assert found[family] == pytest.approx(total / count)


def test_the_models_own_family_and_attacks_do_not_matter() -> None:
    """It is a black box: neither its label nor what it is a source of changes its ranking."""
    seen = drawn(random.Random(1), kin=0.7, others=0.3)
    before = log_likelihoods(seen, FAMILIES, "c1")
    strange = {
        target: {
            entry: (0, IMAGES) if entry[1] == "c1" else count for entry, count in profile.items()
        }
        for target, profile in seen.items()
    }
    assert log_likelihoods(strange, FAMILIES, "c1") == before
    renamed: dict[str, str | None] = {**FAMILIES, "c1": None}
    assert log_likelihoods(seen, renamed, "c1") == before


def test_a_familys_members_alone_do_not_make_it_likelier() -> None:
    """With one rate everywhere, families of any size are as likely."""
    seen: Profiles = {
        target: {(0, source): (30, IMAGES) for source in FAMILIES if source != target}
        for target in FAMILIES
    }
    found = ranked(log_likelihoods(seen, FAMILIES, "d1"), dict.fromkeys("ABCD", 1), 1.0)
    assert [score.probability for score in found] == pytest.approx([0.25] * 4, abs=1e-3)


def test_ranking_is_a_tempered_posterior() -> None:
    first, second = ranked({"A": -3.0, "B": -1.0}, {"A": 1, "B": 2}, 0.5)
    assert first == FamilyScore("B", 2, 0.0, pytest.approx(1 / (1 + math.exp(-1))))
    assert (second.family, second.log_likelihood) == ("A", -2.0)


def test_certainty_grows_with_the_models_that_prove_it() -> None:
    """Right every time on few models: the temper keeps the odds near theirs plus one mistake."""
    seen = drawn(random.Random(0), kin=0.95, others=0.05, spread=0.0)
    temper = calibrated(seen, FAMILIES)
    assert temper < 1
    best = ranked(log_likelihoods(seen, FAMILIES, "c1"), dict.fromkeys("ABCD", 1), temper)[0]
    assert best.family == "C"
    assert 0.6 < best.probability < 0.99


def test_nothing_to_learn_from_gives_even_odds() -> None:
    seen: Profiles = {"a": {(0, "b"): (60, 60)}, "b": {(0, "a"): (0, 60)}}
    families = {"a": "A", "b": "B"}
    assert calibrated(seen, families) == 2.0**-16
    assert leave_one_out(seen, families).ceiling == 0


@pytest.fixture
def filled(bench: Any) -> Any:
    """The planted families in a database: untargeted and targeted transfers."""
    rng = random.Random(5)
    toy = Toy(dict(FAMILIES) | {"e1": None})
    for source in toy.families:
        toy.clean[source] = [True] * IMAGES
        toy.statuses[source] = ["b"] * IMAGES
        for target in toy.families:
            toy.borders[source, target] = "none"
            kin = FAMILIES.get(source) == FAMILIES.get(target)
            rate = 0.7 if kin else 0.3
            toy.ranks[source, target] = {i: int(rng.random() < rate) for i in range(IMAGES)}
    toy.families["nowhere"] = None
    toy.clean["nowhere"] = [True] * IMAGES
    toy.statuses["nowhere"] = [None] * IMAGES
    bench.run(suite_of(list(toy.families), [attack("fgsm", "untargeted", budget=0.1)]), IMAGES)
    panel(bench, toy, clean_cells(bench, toy), attack="fgsm", goal="untargeted", budget=0.1)
    return bench


def test_the_verb_ranks_families_and_prints_the_accuracy(filled: Any, harness: Any) -> None:
    done = harness("fingerprint", "c2", "--db", filled.path)
    assert (done.code, done.err) == (0, "")
    assert "leave-one-out accuracy over the suite: 7 of 8; ceiling 7 of 8" in done.out
    records = json.loads(harness("fingerprint", "c2", "--db", filled.path, "--format", "json").out)[
        "rows"
    ]
    assert [row["rank"] for row in records] == [1, 2, 3, 4]
    assert (records[0]["family"], records[0]["members"]) == ("C", 2)
    assert sum(row["probability"] for row in records) == pytest.approx(1)
    assert {row["family"] for row in records} == set("ABCD")
    csv = harness("fingerprint", "c2", "--db", filled.path, "--format", "csv").out
    assert csv.splitlines()[0].split(",") == list(records[0])


def test_a_model_without_a_family_can_be_asked_for(filled: Any) -> None:
    found = fingerprint(results(filled.sql), "e1")
    assert found.family is None
    assert found.accuracy.models == 8
    assert {score.family for score in found.ranking} == set("ABCD")


def test_a_single_member_is_judged_against_the_others_alone(filled: Any, harness: Any) -> None:
    done = harness("fingerprint", "a1", "--db", filled.path)
    assert "family in the registry: A, of which no other member has transfers" in done.out
    assert "A" not in {score.family for score in fingerprint(results(filled.sql), "a1").ranking}


@pytest.mark.parametrize(
    ("model", "message"),
    [("c9", "unknown model 'c9'; did you mean 'c"), ("nowhere", "no transfers to nowhere")],
)
def test_wrong_models_are_one_line(filled: Any, harness: Any, model: str, message: str) -> None:
    done = harness("fingerprint", model, "--db", filled.path)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err
    with pytest.raises(ConfigError):
        fingerprint(results(filled.sql), model)
