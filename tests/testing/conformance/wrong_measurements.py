"""A good measurement, and one for each rule that breaks this rule alone."""

from __future__ import annotations

import math
import random
from typing import ClassVar

import torch
from pydantic import field_validator

from harness.api import (
    Access,
    Goal,
    Later,
    Measurement,
    MeasurementResult,
    Passes,
    look,
)


class Good(Measurement):
    """The spread of the logits, and the largest slope."""

    goals: ClassVar = frozenset(Goal)
    factor: float = 1.0

    @property
    def scores(self):
        return {"spread": ""}

    @property
    def rows(self):
        return 1

    def passes(self, goal, classes):
        return Passes(1, 1)

    def measure(self, probe, subject):
        return self.measure_together(probe, [subject])[0]

    def measure_together(self, probe, subjects):
        images = torch.stack([subject.image for subject in subjects])
        logits, slopes = probe.gradient(images, lambda logits: logits[:, 0])
        logits, largest = look(logits), look(slopes.flatten(1).amax(1))
        return [self.result(*each) for each in zip(logits, largest, subjects, strict=True)]

    def result(self, logits, largest, subject):
        numbers = {"spread": self.spread(logits), "largest": float(largest)}
        if not math.isfinite(sum(numbers.values())):
            return MeasurementResult(problem="the model returned NaN")
        return MeasurementResult(numbers, {"logits": logits.numpy().copy()})

    def spread(self, logits):
        return float(logits.max() - logits.min()) * self.factor

    def again(self, numbers, arrays):
        return MeasurementResult({"spread": self.spread(torch.from_numpy(arrays["logits"]))})


class Undeclared(Good):
    goals: ClassVar = {"untargeted"}


class Doubles(Good):
    parameter: float = 1.0

    @field_validator("parameter")
    @classmethod
    def doubled(cls, value):
        return 2 * value


class WrongPreset(Good):
    presets: ClassVar = {"paper": {"no": 1}}


class Seeds(Good):
    def measure_together(self, probe, subjects):
        torch.manual_seed(0)
        return super().measure_together(probe, subjects)


class NeedsMore(Good):
    access = Access.SCORES


class Words(Good):
    def result(self, logits, largest, subject):
        return MeasurementResult({"spread": "large"})


class Stays(Good):
    """What is left to do cannot travel."""

    def result(self, logits, largest, subject):
        return Later(lambda: MeasurementResult({"spread": 1.0}), ())


class Divides(Good):
    def result(self, logits, largest, subject):
        if largest == 0:
            raise ZeroDivisionError
        return super().result(logits, largest, subject)


class Asserts(Good):
    def result(self, logits, largest, subject):
        assert logits.isfinite().all()
        return super().result(logits, largest, subject)


class Honest(Good):
    """It leaves it to others to see that a number is none."""

    def result(self, logits, largest, subject):
        return MeasurementResult({"spread": self.spread(logits)}, {"logits": logits.numpy().copy()})


class OtherScore(Good):
    @property
    def scores(self):
        return {"width": ""}


class Fickle(Good):
    stochastic = True
    source: ClassVar = random.Random(3)

    def result(self, logits, largest, subject):
        found = super().result(logits, largest, subject)
        return MeasurementResult({**found.numbers, "drawn": self.source.random()}, found.arrays)


class Silent(Good):
    def result(self, logits, largest, subject):
        found = super().result(logits, largest, subject)
        drawn = float(torch.rand((), generator=subject.generator(0)))
        return MeasurementResult({**found.numbers, "drawn": drawn}, found.arrays, found.problem)


class Sociable(Good):
    def measure_together(self, probe, subjects):
        found = super().measure_together(probe, subjects)
        company = {"company": float(len(subjects))}
        return [MeasurementResult({**each.numbers, **company}, each.arrays) for each in found]


class OneGoal(Good):
    def result(self, logits, largest, subject):
        assert subject.target is None
        return super().result(logits, largest, subject)


class Modest(Good):
    def measure_together(self, probe, subjects):
        probe.logits(torch.stack([subject.image for subject in subjects]))
        return super().measure_together(probe, subjects)


class Forgets(Good):
    def again(self, numbers, arrays):
        return MeasurementResult({"spread": 1.5 * numbers["spread"]})


class Looks(Good):
    def measure_together(self, probe, subjects):
        found = super().measure_together(probe, subjects)
        assert subjects[0].image.sum().item() > 0
        return found


WRONG = {
    "it_can_be_made": Undeclared,
    "parameters_survive_yaml": Doubles,
    "presets_are_valid": WrongPreset,
    "others_find_things_as_they_were": Seeds,
    "declared_access_is_enough": NeedsMore,
    "every_image_has_a_result": Words,
    "a_constant_model_is_survived": Divides,
    "a_nan_model_is_survived": Asserts,
    "what_is_not_finite_is_a_problem": Honest,
    "scores_are_among_the_numbers": OtherScore,
    "the_same_seed_gives_the_same_result": Fickle,
    "what_depends_on_the_seed_is_declared": Silent,
    "images_do_not_depend_on_each_other": Sociable,
    "declared_goals_are_accepted": OneGoal,
    "declared_passes_are_enough": Modest,
    "what_is_stored_gives_it_again": Forgets,
    "it_works_on_a_gpu": Looks,
}
"""By the rule that it breaks."""
