"""What is proved of one image: by the network's Lipschitz constants, or by relaxation around it."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx

from harness.api import ModelError, Subject
from harness_bounds.graph import steps_of
from harness_bounds.norms import Constants, constants
from harness_bounds.region import Norm, Region, widest
from harness_bounds.relaxation import lowest, ranges
from harness_bounds.steps import Affine, Maximum, Ramp, Steps

SLACK = 1e-9
"""Of the logits' size: what rounding in float64 may hide."""

_steps: WeakKeyDictionary[fx.GraphModule, Steps] = WeakKeyDictionary()
_constants: WeakKeyDictionary[fx.GraphModule, dict[Norm, Constants]] = WeakKeyDictionary()


def _steps_of(graph: fx.GraphModule) -> Steps:
    if graph not in _steps:
        _steps[graph] = steps_of(graph)
    return _steps[graph]


def _exact(subject: Subject) -> Tensor:
    return subject.image.detach().cpu().double()[None].contiguous()


def limits(graph: fx.GraphModule, subject: Subject, norm: Norm) -> tuple[float, int, float]:
    """The smallest margin over Lipschitz constant, with its rival and constant.

    At most `widest`, which is that of a network whose logits do not differ.
    """
    steps, image = _steps_of(graph), _exact(subject)
    known = _constants.setdefault(graph, {})
    if norm not in known:
        known[norm] = constants(steps, image.shape, norm)
    values = logits(steps, image)
    found = []
    for rival in _rivals(subject, len(values)):
        constant = known[norm].of(subject.label, rival)
        margin = float(values[subject.label] - values[rival])
        proved = max(0.0, margin - SLACK * float(values.abs().max()))
        score = widest(image.numel(), norm) if constant == 0 else proved / constant
        found.append((min(score, widest(image.numel(), norm)), rival, constant))
    return min(found)


def _rivals(subject: Subject, classes: int) -> list[int]:
    if subject.target is not None:
        return [subject.target]
    return [each for each in range(classes) if each != subject.label]


def logits(steps: Steps, image: Tensor) -> Tensor:
    """The network's logits, (classes,).

    Raises:
        ModelError: one is not finite.
    """
    values = {steps.image: image}
    for step in steps.steps:
        inputs = [values[name] for name in step.inputs]
        if isinstance(step, Affine):
            values[step.name] = step.of(*inputs)
        elif isinstance(step, Ramp):
            values[step.name] = inputs[0].clamp(step.low, step.high)
        elif isinstance(step, Maximum):
            values[step.name] = step.of(inputs[0])
        else:
            values[step.name] = inputs[0] * step.sums.of(inputs[0] ** 2) ** step.power
    found = values[steps.steps[-1].name][0]
    if not found.isfinite().all():
        raise ModelError("the logits are not finite")
    return found


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of one image's prediction, in one norm.

    Attributes:
        image: float64 (1, channels, height, width).
        rows: for each rival, the difference of logits that must stay positive, (n, 1, classes).
        slack: what must be left of it.
    """

    steps: Steps
    image: Tensor
    norm: Norm
    rows: Tensor
    slack: float
    refine: bool

    @classmethod
    def of(
        cls, graph: fx.GraphModule, subject: Subject, norm: Norm, *, refine: bool
    ) -> Certificate:
        steps, image = _steps_of(graph), _exact(subject)
        values = logits(steps, image)
        rivals = _rivals(subject, len(values))
        rows = torch.zeros(len(rivals), 1, len(values), dtype=torch.float64)
        rows[:, 0, subject.label] = 1
        rows[torch.arange(len(rivals)), 0, rivals] = -1
        return cls(steps, image, norm, rows, SLACK * float(values.abs().max()), refine)

    def holds(self, radius: float) -> bool:
        """Whether no image in [0, 1] within ``radius`` is shown to be another class's."""
        region = Region(self.image, radius, self.norm)
        found = ranges(self.steps, region, refine=self.refine)
        last = self.steps.steps[-1].name
        return bool((lowest(self.steps, last, self.rows, found, region) > self.slack).all())

    def largest(self, halvings: int, refinements: int) -> float:
        """The largest radius that holds, up to the bisection's steps."""
        whole = widest(self.image.numel(), self.norm)
        if self.holds(whole):
            return whole
        many, few = halvings + 1, 0  # at `few` halvings it does not hold, at `many` it may
        while many - few > 1:
            middle = (many + few) // 2
            many, few = (middle, few) if self.holds(whole / 2**middle) else (many, middle)
        if many > halvings:
            return 0.0
        low, high = whole / 2**many, whole / 2**few
        for _ in range(refinements):
            middle_radius = (low + high) / 2
            low, high = (middle_radius, high) if self.holds(middle_radius) else (low, middle_radius)
        return low
