"""Rules of attacks, on whole batches and stepped. The engine runs them and judges; see `values`."""

from __future__ import annotations

import torch
import yaml

from harness.api import Goal
from harness.engine.batches import WHO
from harness.engine.guard import CHANGED
from harness.engine.jobs import to_batch
from harness.engine.judge import BEYOND, NAN, OUTSIDE, judge
from harness.engine.target import ASKED, CountingTarget
from harness.identity import canonical_json
from harness.resolve.parameters import changed
from harness.testing.conformance import toys
from harness.testing.conformance.attack_subject import (
    Attacked,
    AttackSubject,
    finished_rows,
    pixels,
    recorded,
    same,
    subject,
)
from harness.testing.conformance.optimum import short_of_optimum
from harness.testing.conformance.rule import Broken, NotChecked, Rules
from harness.testing.conformance.tiny import with_tiny_budget
from harness.testing.gpu import check_on_gpu

__all__ = ["rules", "subject"]

WHOLE = "docs/plugins.md: What the harness does for an attack, and what it does itself"
OTHERS = "docs/plugins.md: What a plugin may not do to others"
STEPPED = "docs/plugins.md: Stepped attacks"
ALIKE = 1e-4
"""How far pixels may differ where only the company in a batch does."""

rules: Rules[AttackSubject] = Rules("attack", see=WHOLE)


@rules.rule(see="docs/plugins.md: Writing a plugin")
def it_can_be_made(subject: AttackSubject) -> None:
    """Its defaults, or its example's parameters, make an attack that declares what it has to."""
    assert subject.attack


@rules.rule(it_can_be_made)
def parameters_survive_yaml(subject: AttackSubject) -> None:
    """Parameters written to YAML and read again are the same, and so is the key of the cell."""
    before = subject.attack.model_dump(mode="json")
    text = yaml.safe_dump(before)
    again = subject.made(yaml.safe_load(text))
    after = again.model_dump(mode="json")
    if after != before:
        raise Broken(f"{before} became {after}")
    keys = [canonical_json(changed(each)) for each in (subject.attack, again)]
    if keys[0] != keys[1]:
        raise Broken(f"in the key {keys[0]} became {keys[1]}")


@rules.rule(it_can_be_made)
def presets_are_valid(subject: AttackSubject) -> None:
    """Each of its presets makes an attack."""
    for name in type(subject.attack).presets:
        subject.made({}, name)


@rules.rule(it_can_be_made, see=OTHERS)
def others_find_things_as_they_were(subject: AttackSubject) -> None:
    """The model, torch's settings, global random numbers and the dataset's images stay as they
    were; the batch that it is given is its own.
    """
    before = toys.images().clone()
    for error in subject.ordinary.errors:
        if error.startswith(f"{WHO} {CHANGED}"):
            raise Broken(error)
    if not torch.equal(before, toys.images()):
        raise Broken("images of the dataset have changed")


@rules.rule(others_find_things_as_they_were)
def declared_access_is_enough(subject: AttackSubject) -> None:
    """It asks the model for nothing that its declared access does not cover."""
    for error in subject.ordinary.errors:
        if error.startswith(ASKED):
            raise Broken(error)


@rules.rule(declared_access_is_enough)
def an_image_for_each_image(subject: AttackSubject) -> None:
    """It returns a float32 image of the same shape for each image, whatever the batch's size."""
    for each in subject.ordinary.judged:
        if each.candidate is None:
            raise Broken(each.outcome.error or "there is no candidate")
    for value in subject.ordinary.returned:
        if (dtype := pixels(value).dtype) is not torch.float32:
            raise Broken(f"its images are {dtype}")


@rules.rule(an_image_for_each_image)
def images_are_finite(subject: AttackSubject) -> None:
    """Its images hold no NaN and no infinity."""
    _refuse(subject.ordinary, NAN)


@rules.rule(an_image_for_each_image)
def images_stay_in_the_box(subject: AttackSubject) -> None:
    """Its images stay within [0, 1]."""
    _refuse(subject.ordinary, OUTSIDE)


@rules.rule(an_image_for_each_image)
def the_budget_is_kept(subject: AttackSubject) -> None:
    """Where it declares a budget, no image is further from the original than that."""
    if subject.attack.budget is None:
        raise NotChecked("it declares no budget: it minimises the distortion")
    _refuse(subject.ordinary, BEYOND)


FINE = (images_are_finite, images_stay_in_the_box, the_budget_is_kept)
"""What further rules stand on: candidates that the judge accepts."""


@rules.rule(*FINE)
def without_a_budget_nothing_changes(subject: AttackSubject) -> None:
    """With a budget of zero, or one too small for float32 where zero is refused, its images are
    the originals.
    """
    tiny = with_tiny_budget(subject.attack)
    found = subject.run(toys.linear(), toys.jobs(toys.linear(), subject.goal), attack=tiny)
    most = float((found.images - toys.images()).abs().max())
    if not most <= 1e-9:
        raise Broken(f"with a budget of {tiny.budget:g} pixels changed by {most:.3g}")


@rules.rule(*FINE)
def the_same_seed_gives_the_same_result(subject: AttackSubject) -> None:
    """The same images and seeds give the same results, bit for bit."""
    again = subject.run(toys.linear(), toys.jobs(toys.linear(), subject.goal))
    if difference := same(subject.ordinary, again):
        raise Broken(f"the second time {difference}")


@rules.rule(the_same_seed_gives_the_same_result)
def what_depends_on_the_seed_is_declared(subject: AttackSubject) -> None:
    """Unless it declares itself stochastic, another seed gives the same result."""
    if subject.attack.draws:
        raise NotChecked("it declares itself stochastic")
    other = subject.run(toys.linear(), toys.jobs(toys.linear(), subject.goal, seed=1))
    if difference := same(subject.ordinary, other):
        raise Broken(f"with another seed {difference}")


@rules.rule(the_same_seed_gives_the_same_result)
def images_do_not_depend_on_each_other(subject: AttackSubject) -> None:
    """An image's result is the same alone, among others and in another order."""
    jobs = toys.jobs(toys.linear(), subject.goal)
    together = subject.run(toys.linear(), jobs, batch=len(jobs))
    alone = subject.run(toys.linear(), jobs, batch=1)
    turned = subject.run(toys.linear(), jobs[::-1], batch=4)
    turned = Attacked(turned.judged[::-1], turned.returned)
    for how, other in (("alone", alone), ("in another order", turned)):
        if difference := same(together, other, ALIKE):
            raise Broken(f"{how}: {difference}")


@rules.rule(*FINE)
def declared_goals_are_accepted(subject: AttackSubject) -> None:
    """It works for each goal that it declares, also for several in one batch."""
    model = toys.linear()
    by_goal = {goal: toys.jobs(model, goal) for goal in Goal if goal in subject.attack.goals}
    kinds = list(by_goal.values())
    mixed = [kinds[row % len(kinds)][row] for row in range(len(kinds[0]))]
    for what, jobs in (*by_goal.items(), ("several goals", mixed)):
        if errors := subject.run(model, jobs).errors:
            raise Broken(f"{what}: {errors[0]}")


@rules.rule(*FINE)
def declared_passes_are_enough(subject: AttackSubject) -> None:
    """No image takes more passes than it declares."""
    most = subject.attack.passes
    if most is None:
        raise NotChecked("it declares no passes")
    for each in (*subject.ordinary.judged, *subject.on_constant.judged):
        made = each.outcome.passes
        if made.forwards > most.forwards or made.backwards > most.backwards:
            raise Broken(
                f"an image took {made.forwards} forward and {made.backwards} backward passes;"
                f" declared are {most.forwards} and {most.backwards}"
            )


@rules.rule(*FINE)
def every_pass_is_counted(subject: AttackSubject) -> None:
    """It reaches the model through its target alone, which counts."""
    attack = subject.whole
    model, seen = toys.linear(), 0
    jobs = toys.jobs(model, subject.goal)
    target = CountingTarget(model, attack, len(jobs))

    def saw(module: object, inputs: tuple[torch.Tensor, ...], output: object) -> None:
        nonlocal seen
        seen += len(inputs[0])

    network = [each for each in model.networks[0].modules() if not list(each.children())][-1]
    hook = network.register_forward_hook(saw)
    try:
        attack.perturb(target, to_batch(jobs, device=model.device))
    finally:
        hook.remove()
    counted = int(target.forwards.sum())
    if seen != counted:
        raise Broken(f"{seen} images passed through the model, {counted} were counted")


@rules.rule(*FINE)
def a_constant_model_is_survived(subject: AttackSubject) -> None:
    """On a model whose gradients are zero it returns valid images, and no error."""
    if errors := subject.on_constant.errors:
        raise Broken(errors[0])


@rules.rule(*FINE)
def a_nan_model_is_survived(subject: AttackSubject) -> None:
    """On a model that returns NaN it ends and raises nothing; what it returns there is in [0, 1],
    or NaN, which is recorded as invalid.
    """
    found = subject.run(toys.nan(), toys.jobs(toys.nan(), subject.goal))
    for each in found.judged:
        if each.candidate is None:
            raise Broken(each.outcome.error or "there is no candidate")
    _refuse(found, OUTSIDE)


@rules.rule(*FINE)
def a_linear_optimum_is_found(subject: AttackSubject) -> None:
    """On a linear model it comes as close to the closed form as its example declares."""
    tolerance = subject.example.tolerance
    if tolerance is None:
        raise NotChecked("its example declares no tolerance")
    if problem := short_of_optimum(subject, tolerance):
        raise Broken(problem)


@rules.rule(*FINE, declared_goals_are_accepted, see="docs/plugins.md: On a GPU")
def it_works_on_a_gpu(subject: AttackSubject) -> None:
    """On a GPU it mixes no devices, leaves its images there, and reads no values but by `look`."""
    example = subject.example
    attack = subject.made({**example.parameters, **example.on_gpu})
    with recorded() as returned:
        check_on_gpu(attack, looks_per_round=example.looks)
    for value in returned:
        if pixels(value).device.type != "cuda":
            raise Broken(f"it returned images on {pixels(value).device}")


@rules.rule(*FINE, see=STEPPED)
def finished_images_stay_as_they_are(subject: AttackSubject) -> None:
    """The result of a finished slot stays what it is while others go on."""
    first: dict[int, torch.Tensor] = {}
    for stepper, finished in finished_rows(subject.stepped, subject.goal):
        found = pixels(stepper.result(torch.arange(len(finished)))).clone()
        for row in finished.nonzero().flatten().tolist():
            if not torch.equal(first.setdefault(row, found[row]), found[row]):
                raise Broken(f"slot {row} changed after it had finished")


@rules.rule(*FINE, see=STEPPED)
def an_image_can_be_stopped(subject: AttackSubject) -> None:
    """An unfinished slot has a result that the judge accepts, asking for it changes nothing, and
    an image that takes its place finds it like new.
    """
    model = toys.linear()
    jobs = toys.jobs(model, subject.goal)
    fresh = finished_rows(subject.stepped, subject.goal)
    reused = finished_rows(subject.stepped, subject.goal, reused=True)
    rows = torch.arange(len(jobs))
    for number, ((stepper, _), (other, _)) in enumerate(zip(fresh, reused, strict=True)):
        found, again = stepper.result(rows), other.result(rows)
        judged = judge(model, subject.attack, jobs, found)
        if problems := [each.outcome.error for each in judged if each.outcome.error is not None]:
            raise Broken(f"of an image stopped after {number} rounds {problems[0]}")
        if not torch.equal(found.images, again.images):
            raise Broken(
                f"after {number} rounds a slot whose former image was stopped has another result"
            )


@rules.rule(*FINE, see=STEPPED)
def the_next_finish_is_true(subject: AttackSubject) -> None:
    """Where it knows how many rounds are left until an image finishes, it is so."""
    due, done = None, 0
    for number, (stepper, finished) in enumerate(finished_rows(subject.stepped, subject.goal)):
        count = int(finished.sum())
        if due is not None and (count > done) != (number >= due):
            raise Broken(f"round {due} was to be the first with another finished image")
        done = count
        left = None if finished.all() else stepper.next_finish()
        due = None if left is None else number + left


def _refuse(found: Attacked, problem: str) -> None:
    """Broken where the judge has this to say of a candidate."""
    for error in found.errors:
        if error.startswith(problem):
            raise Broken(error)
