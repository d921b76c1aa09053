"""A suite becomes cells: goals, prefixes of images, one clean cell a model, nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness import planning as plans
from harness.api import Goal, Norm
from harness.planning import (
    Component,
    NumericPolicy,
    Plan,
    PlannedAttack,
    PlannedImage,
    PlannedTransfer,
    plan_cells,
)

GOALS = st.lists(st.sampled_from(list(Goal)), min_size=1, max_size=4, unique=True)
COUNTS = st.none() | st.integers(1, 12)


def attack(index: int, goals: list[Goal], images: int | None) -> PlannedAttack:
    component = Component(f"a{index}", {"name": f"a{index}"}, {})
    return PlannedAttack(
        component, f"a{index}", Norm.L2, None, tuple(goals), images, keep=False, eight_bit=False
    )


@given(
    models=st.integers(1, 3),
    attacks=st.lists(st.tuples(GOALS, COUNTS), max_size=3),
    images=st.integers(0, 15),
    clean=COUNTS,
)
def test_cells(models, attacks, images, clean):
    all_images = [PlannedImage(str(index), 0) for index in range(images)]
    components = [Component(f"m{index}", {"weights": str(index)}, {}) for index in range(models)]
    planned = [attack(index, goals, count) for index, (goals, count) in enumerate(attacks)]
    cells = plan_cells(
        models=components,
        attacks=planned,
        dataset=Component("d", {"name": "d"}, {}),
        images=all_images,
        clean_images=clean,
        seed=3,
        policy=NumericPolicy(),
    )
    assert len({cell.key for cell in cells}) == len(cells)
    assert len(cells) == models * (1 + sum(len(goals) for goals, _ in attacks))
    for model in components:
        own = [cell for cell in cells if cell.model is model]
        assert own[0].attack is None
        assert all(cell.attack is not None for cell in own[1:])
        for cell in own[1:]:
            assert cell.images == tuple(all_images)[: cell.attack.images]
            # Whatever is attacked has a clean prediction.
            assert set(cell.images) <= set(own[0].images)
        wanted = [clean, *(count for _, count in attacks)]
        most = images if None in wanted else min(images, max(wanted))
        assert len(own[0].images) == most


def test_a_clean_cell_has_the_numerics_of_verdicts():
    def cells(policy):
        return plan_cells(
            models=[Component("m", {"weights": "w"}, {})],
            attacks=[attack(0, [Goal.RANDOM], 5)],
            dataset=Component("d", {"name": "d"}, {}),
            images=[PlannedImage("0", 0)],
            clean_images=None,
            seed=0,
            policy=policy,
        )

    exact = NumericPolicy("bf16", rows=32)
    clean, attacked = cells(exact)
    assert clean.policy == NumericPolicy(rows=32)
    assert clean.key == cells(NumericPolicy(rows=32))[0].key
    assert attacked.policy == Plan("s", {}, 0, (clean, attacked)).policy == exact
    assert attacked.key != cells(NumericPolicy(rows=32))[1].key
    assert Plan("s", {}, 0, (clean,)).policy == clean.policy


def test_what_adds_a_fact_is_in_no_key():
    plain = attack(0, [Goal.RANDOM], 5)
    keys = [
        [
            cell.key
            for cell in plan_cells(
                models=[Component("m", {"weights": "w"}, {})],
                attacks=[planned],
                dataset=Component("d", {"name": "d"}, {}),
                images=[PlannedImage("0", 0)],
                clean_images=None,
                seed=0,
                policy=NumericPolicy(),
            )
        ]
        for planned in (plain, replace(plain, eight_bit=True), replace(plain, keep=True))
    ]
    assert keys[0] == keys[1] == keys[2]


def test_pairs_are_made_once_and_found_by_their_source(monkeypatch):
    made = Counter()
    adaptation = plans.adaptation

    def counted(source, target, border):
        made[source.name, target.name] += 1
        return adaptation(source, target, border)

    monkeypatch.setattr(plans, "adaptation", counted)
    models = [
        Component(name, {"weights": name, "preprocessing": {}}, {"shape": [3, 2, 2]})
        for name in "abc"
    ]
    cells = plan_cells(
        models=models,
        attacks=[replace(attack(0, [Goal.RANDOM], 2), keep=True)],
        dataset=Component("d", {"name": "d"}, {}),
        images=[PlannedImage("0", 0)],
        clean_images=None,
        seed=0,
        policy=NumericPolicy(),
    )
    plan = Plan("s", {}, 0, cells, transfer=PlannedTransfer())
    for _ in range(2):
        assert len(plan.pairs) == 9
        found = {key: list(pairs) for key, pairs in plan.pairs_by_source.items()}
    assert set(made.values()) == {1}
    assert found == {
        source.key: [pair for pair in plan.pairs if pair.source.key == source.key]
        for source in plan.sources
    }
