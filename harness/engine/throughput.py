"""A stepped attack at work on random images, round by round: its speed apart from its results."""

from __future__ import annotations

import itertools

import torch

from harness.api import Batch, Slots, SteppedAttack, look
from harness.engine.classifier import PixelClassifier
from harness.engine.device import rounds_between_looks, sent
from harness.engine.slots import evaluate
from harness.engine.timing import random_images


class Rounds:
    """Keeps ``count`` slots busy without end: an image that is finished starts anew.

    Images are noise, their labels what the model says, and their targets the next class.
    """

    def __init__(self, attack: SteppedAttack, model: PixelClassifier, count: int) -> None:
        self._model, self._count = model, count
        self._images = random_images(model, count)
        self._labels = model.predict(self._images).argmax(1)
        slots = Slots(count, model.shape, model.classes, model.device, model.memory_format)
        self._stepper = attack.stepper(slots)
        self._until_look = 0

    def __call__(self) -> int:
        """A round of all slots; forwards of some of them before it belong to it.

        Where no evaluation is of all slots, it lasts until their images are finished. Returns how
        many images took part.
        """
        if self._until_look <= 0:
            self._refill()
        for looks in itertools.count():
            point = self._stepper.point()
            evaluate(self._stepper, self._model, point)
            self._until_look -= 1
            # A single forward of some of them waits for no device.
            if point.rows is None or (looks and bool(look(self._stepper.finished).all())):
                break
        return self._count

    def _refill(self) -> None:
        """Start finished images anew; the next look is due when one may have finished."""
        rows = look(self._stepper.finished).nonzero().squeeze(1)
        if len(rows):
            rows = sent(rows, self._model.device)
            self._stepper.load(rows, self._batch(rows))
        known = self._stepper.next_finish()
        self._until_look = known or rounds_between_looks(self._model.device)

    def _batch(self, rows: torch.Tensor) -> Batch:
        labels = self._labels[rows]
        return Batch(
            images=self._images[rows],
            labels=labels,
            classes=(labels + 1) % self._model.classes,
            targeted=torch.ones_like(labels, dtype=torch.bool),
            seeds=tuple(look(rows).tolist()),
        )
