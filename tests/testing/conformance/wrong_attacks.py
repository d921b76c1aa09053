"""A good attack of either form, and one for each rule that breaks this rule alone."""

from __future__ import annotations

import random
from typing import ClassVar

import torch
from pydantic import Field, field_validator

from harness.api import (
    Access,
    Attack,
    Candidates,
    Norm,
    Passes,
    Point,
    SteppedAttack,
    Stepper,
    margin,
)
from harness.api.examples import AttackExample


def step(gradient, size):
    """Along the sign, nowhere where there is none."""
    return size * gradient.nan_to_num().sign()


class Good(Attack):
    """FGSM along the margin."""

    norm = Norm.LINF
    epsilon: float = Field(0.2, ge=0)

    @property
    def budget(self):
        return self.epsilon

    @property
    def passes(self):
        return Passes(1, 1)

    def gradient(self, target, batch):
        def loss(logits):
            return margin(logits, batch.classes, batch.targeted)

        return target.gradient(batch.images, loss)[1]

    def moved(self, images, gradient):
        return (images + step(gradient, self.epsilon)).clamp(0, 1)

    def perturb(self, target, batch):
        return self.moved(batch.images, self.gradient(target, batch))


class Undeclared(Good):
    norm = "linf"


class Doubles(Good):
    parameter: float = 1.0

    @field_validator("parameter")
    @classmethod
    def doubled(cls, value):
        return 2 * value


class WrongPreset(Good):
    presets: ClassVar = {"paper": {"epsilon": -1}}


class Seeds(Good):
    def perturb(self, target, batch):
        torch.manual_seed(0)
        return super().perturb(target, batch)


class NeedsMore(Good):
    access = Access.SCORES


class Double(Good):
    def perturb(self, target, batch):
        return super().perturb(target, batch).double()


class NaN(Good):
    def perturb(self, target, batch):
        return super().perturb(target, batch) * torch.nan


class Outside(Good):
    """On the pixels that are brightest, and by less than the budget."""

    def perturb(self, target, batch):
        super().perturb(target, batch)
        return batch.images + self.epsilon

    epsilon: float = 0.5


class Beyond(Good):
    """Never by much, so that a budget of zero stays one."""

    def moved(self, images, gradient):
        return (images + step(gradient, 1.5 * self.epsilon)).clamp(0, 1)


class AtLeast(Good):
    """A step of half a grey level even where the budget is less."""

    def moved(self, images, gradient):
        return (images + step(gradient, max(self.epsilon, 0.002))).clamp(0, 1)


class Fickle(Good):
    stochastic = True
    source: ClassVar = random.Random(3)

    def moved(self, images, gradient):
        size = self.epsilon * (1 - self.source.random() / 100)
        return (images + step(gradient, size)).clamp(0, 1)


class Silent(Good):
    """It draws, and does not say so."""

    def perturb(self, target, batch):
        found = super().perturb(target, batch)
        return torch.where(batch.noise(0) > 0, found, batch.images)


class Sociable(Good):
    def moved(self, images, gradient):
        size = self.epsilon * images.mean()
        return (images + step(gradient, size)).clamp(0, 1)


class OneGoal(Good):
    def perturb(self, target, batch):
        if batch.targeted.any():
            raise NotImplementedError
        return super().perturb(target, batch)


class Modest(Good):
    def perturb(self, target, batch):
        target.logits(batch.images)
        return super().perturb(target, batch)


class Burglar(Good):
    def perturb(self, target, batch):
        target._model.predict(batch.images)
        return super().perturb(target, batch)


class Divides(Good):
    """By the length of the gradient."""

    def moved(self, images, gradient):
        length = gradient.flatten(1).abs().amax(1)[:, None, None, None]
        step = torch.where(gradient.isnan(), 0.0, self.epsilon * gradient / length)
        return torch.where(length == 0, torch.nan, images + step).clamp(0, 1)


class Asserts(Good):
    def moved(self, images, gradient):
        if images.device.type == "cpu":
            assert not gradient.isnan().any()
        return super().moved(images, gradient)


class Timid(Good):
    def moved(self, images, gradient):
        return (images + step(gradient, 0.5 * self.epsilon)).clamp(0, 1)


class Looks(Good):
    def perturb(self, target, batch):
        found = super().perturb(target, batch)
        return found if found.amax() <= 1 else batch.images


class GoodStepped(SteppedAttack):
    """One image after another finishes: the row's seed says how many rounds it takes."""

    norm = Norm.LINF
    epsilon: float = 0.1

    @property
    def budget(self):
        return self.epsilon

    def stepper(self, slots):
        return Steps(slots, self.epsilon)


class Steps(Stepper):
    def __init__(self, slots, epsilon):
        self.images = torch.zeros((slots.count, *slots.shape), device=slots.device)
        self.original = self.images.clone()
        self.classes = torch.zeros(slots.count, dtype=torch.int64, device=slots.device)
        self.targeted = torch.zeros(slots.count, dtype=torch.bool, device=slots.device)
        self.finished = torch.ones(slots.count, dtype=torch.bool, device=slots.device)
        self.left = torch.zeros(slots.count, dtype=torch.int64, device=slots.device)
        self.epsilon = epsilon

    def load(self, rows, batch):
        self.images[rows] = self.original[rows] = batch.images
        self.classes[rows], self.targeted[rows] = batch.classes, batch.targeted
        self.finished[rows] = False
        self.left[rows] = batch.classes + 1

    def point(self):
        return Point(self.images)

    def observe(self, logits):
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            (cotangent,) = torch.autograd.grad(
                margin(leaf.clone(), self.classes, self.targeted).sum(), leaf
            )
        return cotangent

    def step(self, gradient):
        self.move(step(gradient, self.epsilon / 8))
        self.left -= 1
        self.finished |= self.left <= 0

    def move(self, by):
        by = torch.where(self.finished[:, None, None, None], 0.0, by)
        self.images = (self.images + by).clamp(0, 1)

    def result(self, rows):
        return Candidates(self.images[rows])


class Restless(GoodStepped):
    def stepper(self, slots):
        return RestlessSteps(slots, self.epsilon)


class RestlessSteps(Steps):
    def move(self, by):
        moved = self.images + by / 16
        self.images = moved.clamp(self.original - 0.1, self.original + 0.1).clamp(0, 1)


class Unready(GoodStepped):
    def stepper(self, slots):
        return UnreadySteps(slots, self.epsilon)


class UnreadySteps(Steps):
    """It puts an image where `result` looks for it only when it has finished."""

    def __init__(self, slots, epsilon):
        super().__init__(slots, epsilon)
        self.best = self.images.clone()

    def step(self, gradient):
        super().step(gradient)
        done = self.finished[:, None, None, None]
        self.best = torch.where(done, self.images, self.best)

    def result(self, rows):
        return Candidates(self.best[rows])


class Late(GoodStepped):
    def stepper(self, slots):
        return LateSteps(slots, self.epsilon)


class LateSteps(Steps):
    def next_finish(self):
        return 7


EXACT = AttackExample(tolerance=0.01)

WRONG = {
    "it_can_be_made": Undeclared,
    "parameters_survive_yaml": Doubles,
    "presets_are_valid": WrongPreset,
    "others_find_things_as_they_were": Seeds,
    "declared_access_is_enough": NeedsMore,
    "an_image_for_each_image": Double,
    "images_are_finite": NaN,
    "images_stay_in_the_box": Outside,
    "the_budget_is_kept": Beyond,
    "without_a_budget_nothing_changes": AtLeast,
    "the_same_seed_gives_the_same_result": Fickle,
    "what_depends_on_the_seed_is_declared": Silent,
    "images_do_not_depend_on_each_other": Sociable,
    "declared_goals_are_accepted": OneGoal,
    "declared_passes_are_enough": Modest,
    "every_pass_is_counted": Burglar,
    "a_constant_model_is_survived": Divides,
    "a_nan_model_is_survived": Asserts,
    "a_linear_optimum_is_found": Timid,
    "it_works_on_a_gpu": Looks,
    "finished_images_stay_as_they_are": Restless,
    "an_image_can_be_stopped": Unready,
    "the_next_finish_is_true": Late,
}
"""By the rule that it breaks."""
