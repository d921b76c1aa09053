"""Rules of measurements. The engine runs them, as in a run; what they return is checked there."""

from __future__ import annotations

import torch
import yaml

from harness.api import Goal, Measured, Measurement, Status
from harness.engine.guard import CHANGED
from harness.engine.measurements import NOT_FINITE, WHO
from harness.engine.probe import ASKED
from harness.identity import canonical_json
from harness.resolve.parameters import changed
from harness.testing.conformance import toys
from harness.testing.conformance.measurement_subject import (
    MeasurementSubject,
    alike,
    difference,
    measured,
    subject,
)
from harness.testing.conformance.rule import Broken, NotChecked, Rules
from harness.testing.fake_gpu import fake_gpu

__all__ = ["rules", "subject"]

ALIKE = 1e-4
"""How far numbers may differ where only the company in a pass does, relative and absolute."""

rules: Rules[MeasurementSubject] = Rules("measurement", see="docs/plugins.md: The other kinds")


@rules.rule()
def it_can_be_made(subject: MeasurementSubject) -> None:
    """Its defaults, or its example's parameters, make a measurement that declares what it has
    to.
    """
    assert subject.measurement


@rules.rule(it_can_be_made)
def parameters_survive_yaml(subject: MeasurementSubject) -> None:
    """Parameters written to YAML and read again are the same, and so is the key of the cell."""
    before = subject.measurement.model_dump(mode="json")
    again = subject.made(yaml.safe_load(yaml.safe_dump(before)))
    if (after := again.model_dump(mode="json")) != before:
        raise Broken(f"{before} became {after}")
    keys = [canonical_json(changed(each)) for each in (subject.measurement, again)]
    if keys[0] != keys[1]:
        raise Broken(f"in the key {keys[0]} became {keys[1]}")


@rules.rule(it_can_be_made)
def presets_are_valid(subject: MeasurementSubject) -> None:
    """Each of its presets makes a measurement."""
    for name in type(subject.measurement).presets:
        subject.made({}, name)


@rules.rule(it_can_be_made, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: MeasurementSubject) -> None:
    """The model, torch's settings, global random numbers and the dataset's images stay as they
    were; the image that it is given is its own copy.
    """
    before = toys.images().clone()
    for error in _errors(subject.ordinary):
        if f"{WHO} {CHANGED}" in error:
            raise Broken(error)
    if not torch.equal(before, toys.images()):
        raise Broken("images of the dataset have changed")


@rules.rule(others_find_things_as_they_were)
def declared_access_is_enough(subject: MeasurementSubject) -> None:
    """It asks the model for nothing that its declared access does not cover."""
    for error in _errors(subject.ordinary):
        if error.startswith(ASKED):
            raise Broken(error)


@rules.rule(declared_access_is_enough)
def every_image_has_a_result(subject: MeasurementSubject) -> None:
    """Each image has numbers and float32 arrays with names, or a problem in one line; what needs no
    model can travel to another process.
    """
    for each in subject.ordinary:
        if each.status is Status.ERROR:
            raise Broken(each.error or "it failed")
    if not measured(subject.ordinary):
        raise Broken(f"no image of an ordinary model is measured: {subject.ordinary[0].error}")


@rules.rule(every_image_has_a_result)
def a_constant_model_is_survived(subject: MeasurementSubject) -> None:
    """On a model whose gradients are zero it raises nothing."""
    _refuse_errors(subject.on_constant)


@rules.rule(every_image_has_a_result)
def a_nan_model_is_survived(subject: MeasurementSubject) -> None:
    """On a model that returns NaN it ends and raises nothing."""
    _refuse_errors(subject.on_nan)


@rules.rule(a_constant_model_is_survived, a_nan_model_is_survived)
def what_is_not_finite_is_a_problem(subject: MeasurementSubject) -> None:
    """A result whose numbers are not all finite says so: its `problem` is why."""
    for model, found in (
        ("a linear model", subject.ordinary),
        ("a constant model", subject.on_constant),
        ("a model that returns NaN", subject.on_nan),
    ):
        for error in _errors(found):
            if error.startswith(NOT_FINITE):
                raise Broken(f"on {model}: {error}")


@rules.rule(every_image_has_a_result)
def scores_are_among_the_numbers(subject: MeasurementSubject) -> None:
    """Every number that it declares as a score is among those of some image."""
    names = {name for each in measured(subject.ordinary) for name in each.numbers}
    for score in subject.measurement.scores:
        if score not in names:
            raise Broken(f"{score} is a score and no number of any image")


@rules.rule(every_image_has_a_result)
def the_same_seed_gives_the_same_result(subject: MeasurementSubject) -> None:
    """The same images and seeds give the same results, bit for bit."""
    again = subject.run(toys.linear(), subject.jobs(toys.linear()))
    if found := difference(subject.ordinary, again):
        raise Broken(f"the second time {found}")


@rules.rule(the_same_seed_gives_the_same_result)
def what_depends_on_the_seed_is_declared(subject: MeasurementSubject) -> None:
    """Unless it declares itself stochastic, another seed gives the same result."""
    if type(subject.measurement).stochastic:
        raise NotChecked("it declares itself stochastic")
    other = subject.run(toys.linear(), subject.jobs(toys.linear(), seed=1))
    if found := difference(subject.ordinary, other):
        raise Broken(f"with another seed {found}")


@rules.rule(the_same_seed_gives_the_same_result)
def images_do_not_depend_on_each_other(subject: MeasurementSubject) -> None:
    """An image's result is the same alone, among others and in another order."""
    jobs = subject.jobs(toys.linear())
    alone = subject.run(toys.linear(), jobs, batch=1)
    turned = subject.run(toys.linear(), jobs[::-1])[::-1]
    for how, other in (("alone", alone), ("in another order", turned)):
        if found := difference(subject.ordinary, other, ALIKE):
            raise Broken(f"{how}: {found}")


@rules.rule(every_image_has_a_result)
def declared_goals_are_accepted(subject: MeasurementSubject) -> None:
    """It works for each goal that it declares."""
    for goal in Goal:
        if goal in subject.measurement.goals:
            for each in subject.run(toys.linear(), subject.jobs(toys.linear(), goal)):
                if each.status is Status.ERROR:
                    raise Broken(f"{goal}: {each.error}")


@rules.rule(every_image_has_a_result)
def declared_passes_are_enough(subject: MeasurementSubject) -> None:
    """No image takes more passes than it declares."""
    most = subject.measurement.passes(subject.goal, toys.CLASSES)
    if most is None:
        raise NotChecked("it declares no passes")
    for each in (*subject.ordinary, *subject.on_constant):
        made = each.passes
        if made.forwards > most.forwards or made.backwards > most.backwards:
            raise Broken(
                f"an image took {made.forwards} forward and {made.backwards} backward passes;"
                f" declared are {most.forwards} and {most.backwards}"
            )


@rules.rule(every_image_has_a_result)
def what_is_stored_gives_it_again(subject: MeasurementSubject) -> None:
    """`again`, where there is one, makes the same numbers of what is stored of them."""
    if type(subject.measurement).again is Measurement.again:
        raise NotChecked("it recomputes nothing")
    for each in measured(subject.ordinary):
        found = subject.measurement.again(dict(each.numbers), dict(each.arrays))
        if found is None:
            raise NotChecked("from what is stored it recomputes nothing")
        for name, number in found.numbers.items():
            if name not in each.numbers:
                raise Broken(f"{name} is a number that was not measured")
            if not alike(number, each.numbers[name], 1e-6):
                raise Broken(f"{name} was {each.numbers[name]:g}, and is {number:g} again")


@rules.rule(the_same_seed_gives_the_same_result, see="docs/plugins.md: On a GPU")
def it_works_on_a_gpu(subject: MeasurementSubject) -> None:
    """On a GPU it mixes no devices, and reads no values but by `look`."""
    model = toys.new_linear()
    with fake_gpu() as gpu:
        gpu.hold(model)
        found = subject.run(model, subject.jobs(toys.linear()))
    for wait in gpu.waits:
        if wait.kind == "hidden look":
            raise Broken(f"{wait.reason} at {wait.where}")
    _refuse_errors(found)


def _errors(found: list[Measured]) -> list[str]:
    return [each.error for each in found if each.error is not None]


def _refuse_errors(found: list[Measured]) -> None:
    for each in found:
        if each.status is Status.ERROR:
            raise Broken(each.error or "it failed")
