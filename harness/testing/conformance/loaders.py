"""Rules of model loaders. The engine opens the model, and tries it, as a run does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from harness.api import Classifier, HarnessError, ModelError, ModelLoader, ModelSpec
from harness.api.examples import ModelExample
from harness.api.trial import TOLERANCE, ModelTrial
from harness.contained import contained
from harness.engine.classifier import PixelClassifier
from harness.engine.guard import CHANGED
from harness.engine.opening import Opened, opened
from harness.engine.trial import BATCH, tried
from harness.registry.entries import ModelEntry, Origin
from harness.resolve.components import model_loader
from harness.resolve.weights import checked, locate
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, NotChecked, Rules
from harness.testing.conformance.slope import slope_problem

LOADERS = "docs/plugins.md: The other kinds"
IMAGES = 4
DAMAGE = ((0.3, 0.9), (0.05, 0.95))
"""Which part of a file is overwritten: weights, or nearly all of it."""
ORDERS: Mapping[object, Literal["rgb", "bgr"]] = {"rgb": "bgr", "bgr": "rgb"}

rules: Rules[LoaderSubject] = Rules("model_loader", see=LOADERS)


class LoaderSubject:
    """The loader of a `Component`, and the model of its example."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def loader(self) -> ModelLoader:
        return model_loader(self.component.registration)

    @cached_property
    def entry(self) -> ModelEntry:
        """The example's, as a registry file would have it."""
        given: Mapping[str, Any] = self.component.needed(ModelExample).entry
        own = {"loader": self.component.registration.name, "family": "example"}
        entry = ModelEntry.model_validate({**own, **given})
        entry.place(Origin("example", self.component.folder / "registry.yaml", 1))
        return entry

    @cached_property
    def spec(self) -> ModelSpec:
        """With its weights; NotChecked where they are not on this machine."""
        found = locate(self.entry, self.loader)
        if found.path is None and found.url is not None:
            raise NotChecked(f"the weights of its example are not here: {found.how}")
        return self.entry.spec(checked(self.entry, self.loader, found).path)

    @property
    def weights(self) -> Path:
        if self.spec.weights is None:
            raise NotChecked("its example has no weight file")
        return self.spec.weights

    def opened(self, spec: ModelSpec) -> Opened:
        """As a run opens it, on the CPU."""
        return opened(self.loader.load, spec, torch.device("cpu"), fold_batch_norm=False)

    @cached_property
    def classifier(self) -> Classifier:
        """What the loader returned, as it is, before anybody has changed its mode."""
        with contained("it"):
            return self.loader.load(self.spec, "cpu")

    @cached_property
    def model(self) -> PixelClassifier:
        return self.opened(self.spec).model

    @cached_property
    def images(self) -> Tensor:
        seeded = torch.Generator().manual_seed(0)
        return torch.rand((IMAGES, *self.model.shape), generator=seeded)

    @cached_property
    def logits(self) -> Tensor:
        return self.model.predict(self.images).clone()

    @cached_property
    def trial(self) -> ModelTrial:
        return tried(self.model, self.images, lambda size: None)


def subject(component: Component) -> LoaderSubject:
    return LoaderSubject(component)


@rules.rule()
def it_can_be_made(subject: LoaderSubject) -> None:
    """Its class is a `ModelLoader` that is made without arguments."""
    assert subject.loader


@rules.rule(it_can_be_made)
def its_weights_are_found(subject: LoaderSubject) -> None:
    """`weights` returns a `WeightsFile`, and where there is a file, it can be read."""
    assert subject.spec


@rules.rule(its_weights_are_found, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: LoaderSubject) -> None:
    """Loading leaves torch's settings, the process and other models as they were."""
    try:
        subject.opened(subject.spec)
    except HarnessError as error:
        if f" {CHANGED} " in str(error):
            raise Broken(str(error)) from error


@rules.rule(others_find_things_as_they_were)
def it_loads_a_classifier(subject: LoaderSubject) -> None:
    """`load` returns a `Classifier` in float32 with the entry's classes and size."""
    assert subject.model


@rules.rule(it_loads_a_classifier)
def networks_are_in_eval_mode(subject: LoaderSubject) -> None:
    """The module, and each module within it, is in eval mode."""
    if subject.classifier.module is None:
        raise NotChecked("its model has no module")
    for name, part in subject.classifier.module.named_modules():
        if part.training:
            raise Broken(f"{name or 'the module'} ({type(part).__name__}) is in training mode")


@rules.rule(it_loads_a_classifier)
def logits_are_finite(subject: LoaderSubject) -> None:
    """The logits of random images are finite, float32, a column for each class."""
    if not subject.logits.isfinite().all():
        raise Broken("the logits of random images hold NaN or infinity")


@rules.rule(logits_are_finite)
def images_do_not_depend_on_each_other(subject: LoaderSubject) -> None:
    """An image's logits are the same alone, among others and in another order."""
    try:
        assert subject.trial
    except ModelError as error:
        if BATCH not in str(error):
            raise
        raise Broken(str(error)) from error


@rules.rule(images_do_not_depend_on_each_other)
def equal_passes_are_equal(subject: LoaderSubject) -> None:
    """Two passes of the same images give the same logits, within rounding."""
    if not subject.trial.deterministic:
        share = subject.trial.difference
        raise Broken(f"two passes differ by {share:.2g} of the largest logit")


@rules.rule(equal_passes_are_equal)
def loading_again_gives_the_same_model(subject: LoaderSubject) -> None:
    """Loaded twice, the model has the same logits."""
    again = subject.opened(subject.spec).model.predict(subject.images)
    if (far := _apart(subject.logits, again)) > TOLERANCE:
        raise Broken(f"the second time they differ by {far:.2g} of the largest logit")


@rules.rule(images_do_not_depend_on_each_other)
def outputs_are_logits(subject: LoaderSubject) -> None:
    """The outputs are logits: no softmax, no logarithm of one."""
    if (found := subject.trial.outputs) != "logits":
        raise Broken(f"the outputs are {found}")


@rules.rule(equal_passes_are_equal)
def gradients_are_those_of_the_logits(subject: LoaderSubject) -> None:
    """The module's gradients agree with finite differences of the logits that verdicts use."""
    if subject.model.differentiable is None:
        raise NotChecked("its model has no gradients")
    if problem := slope_problem(subject.model, subject.images):
        raise Broken(problem)


@rules.rule(loading_again_gives_the_same_model)
def preprocessing_is_left_to_the_harness(subject: LoaderSubject) -> None:
    """It does not apply the entry's preprocessing itself: the harness does, once.

    With another mean, deviation and order of channels, images that are changed accordingly have the
    same logits.
    """
    own = subject.classifier.preprocessing
    channels = len(own.mean)
    mean = tuple(0.1 + 0.05 * number for number in range(channels))
    std = tuple(0.9 + 0.05 * number for number in range(channels))
    order = ORDERS.get(own.channels)
    other = replace(subject.spec.preprocessing, mean=mean, std=std)
    if order is not None:
        other = replace(other, channels=order)
    try:
        model = subject.opened(replace(subject.spec, preprocessing=other)).model
    except HarnessError as error:
        raise NotChecked(f"its model takes no other preprocessing: {error}") from error
    inputs = (subject.images - _column(own.mean)) / _column(own.std)
    inputs = inputs if order is None else inputs.flip(1)
    images = inputs * _column(std) + _column(mean)
    if (far := _apart(subject.logits, model.predict(images))) > TOLERANCE:
        raise Broken(f"logits differ by {far:.2g} of the largest one")


@rules.rule(loading_again_gives_the_same_model)
def the_checked_file_is_loaded(subject: LoaderSubject) -> None:
    """It reads `spec.weights`, the file whose hash was checked: a copy elsewhere is the same model,
    and one with other bytes is not.
    """
    copy = subject.component.folder / "copied" / subject.weights.name
    copy.parent.mkdir(exist_ok=True)
    _copied(subject, copy)
    model = subject.opened(replace(subject.spec, weights=copy)).model
    if (far := _apart(subject.logits, model.predict(subject.images))) > TOLERANCE:
        raise Broken(f"from a copy of the file logits differ by {far:.2g} of the largest one")
    content = copy.read_bytes()
    for start, end in DAMAGE:
        first, last = int(start * len(content)), int(end * len(content))
        copy.write_bytes(content[:first] + bytes(last - first) + content[last:])
        try:
            other = subject.opened(replace(subject.spec, weights=copy)).model
        except HarnessError:
            return
        if not torch.equal(subject.logits, other.predict(subject.images)):
            return
    raise Broken("with most of the file's bytes set to zero the logits stayed what they were")


@rules.rule(the_checked_file_is_loaded)
def half_a_file_is_an_error(subject: LoaderSubject) -> None:
    """A weight file that is cut off raises, and is not loaded in part."""
    half = subject.component.folder / "half" / subject.weights.name
    half.parent.mkdir(exist_ok=True)
    _copied(subject, half)
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    try:
        subject.opened(replace(subject.spec, weights=half))
    except HarnessError:
        return
    raise Broken("half of the file was loaded without an error")


@rules.rule(it_loads_a_classifier)
def untrained_networks_are_always_the_same(subject: LoaderSubject) -> None:
    """`untrained`, where there is one, builds the same random weights every time."""
    if type(subject.loader).untrained is ModelLoader.untrained:
        raise NotChecked("it builds no untrained networks")
    spec = replace(subject.spec, weights=None)
    passes = []
    for _ in range(2):
        made = opened(subject.loader.untrained, spec, torch.device("cpu"), fold_batch_norm=False)
        passes.append(made.model.predict(subject.images).clone())
    if not torch.equal(*passes):
        raise Broken("the second time its logits are others")


def _copied(subject: LoaderSubject, path: Path) -> None:
    """The weight file at ``path``, with the files that it needs beside it."""
    shutil.copyfile(subject.weights, path)
    for other in subject.loader.files(subject.spec):
        if not other.is_relative_to(subject.weights.parent):
            continue  # of the code, not of the weights
        beside = path.parent / other.relative_to(subject.weights.parent)
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(other, beside)


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference, as a share of the largest logit."""
    if one.shape != other.shape or not other.isfinite().all():
        return 1.0
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-30))
