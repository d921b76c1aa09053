"""Continuous batching: a fixed number of slots, an image in each, refilled as they finish."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from harness.api import (
    NOT_FINITE,
    ZERO_GRADIENT,
    Access,
    Again,
    Candidates,
    Passes,
    Point,
    Slots,
    SteppedAttack,
    Stepper,
    look,
)
from harness.engine.best import BestQueries, Found, Judging
from harness.engine.budget import SlotBudget, budgets_of
from harness.engine.classifier import PixelClassifier
from harness.engine.device import Glance, rounds_between_looks, runs_ahead, sent
from harness.engine.guard import Guard
from harness.engine.jobs import Job, Judged, to_batch
from harness.engine.judge import Declared
from harness.engine.target import must_declare, not_finite
from harness.engine.values import checked_again, checked_candidates, checked_point
from harness.overdue import overseer

SECONDS_BETWEEN_VERDICTS = 1.0
"""How long a finished image may wait for company on its way to the judging pass."""


def evaluate(
    stepper: Stepper,
    model: PixelClassifier,
    point: Point,
    look: Callable[[Tensor], None] | None = None,
    count: Callable[[Again], None] | None = None,
    see: Callable[[Tensor], None] = lambda logits: None,
) -> None:
    """A forward, and where asked for backwards, at the stepper's ``point``; the stepper moves.

    ``see`` and ``look`` see the logits and the first gradient before the stepper, which may
    overwrite them; ``count`` is told of each further gradient that the stepper asks for.
    """
    if not point.gradient:
        logits = model.logits(point.images)
        see(logits)
        stepper.observe(logits)
        return
    made = model.differentiated(point.images)
    see(made.logits)
    gradient = made.gradient(stepper.observe(made.logits), again=point.again)
    if look is not None:
        look(gradient)
    while again := checked_again(stepper.step(_writable(gradient)), point, made.logits):
        if count is not None:
            count(again)
        overseer.passes += 1
        gradient = made.gradient(again.cotangent, again=True)


def _writable(gradient: Tensor) -> Tensor:
    """``gradient`` for steppers, which work in place on it: not one value for many pixels."""
    return gradient.contiguous() if 0 in gradient.stride() else gradient


class SlotEngine:
    """Drives one stepped attack over jobs; owns forward, backward, refill, counters and verdicts.

    Args:
        jobs: taken one by one as slots fall free.
        slots: how many images are in flight at most.
        declared: what the candidates are judged by.
        judged: makes verdicts of candidates.
        guard: asked before each verdict.

    Attributes:
        in_flight: the jobs that are loaded, or finished and not yet judged. After an exception the
            caller can start them anew elsewhere.
    """

    def __init__(
        self,
        attack: SteppedAttack,
        declared: Declared,
        model: PixelClassifier,
        jobs: Iterator[Job],
        *,
        slots: int,
        judged: Judging,
        guard: Guard,
    ) -> None:
        self._attack, self._declared = attack, declared
        self._model, self._jobs = model, jobs
        self._judged, self._guard = judged, guard
        self._next = list(itertools.islice(jobs, model.rows or slots))
        count = model.rows_for(len(self._next))
        self._slots: list[Job | None] = [None] * count
        bounded = budgets_of(self._next) is not None
        self._budget = SlotBudget(count, model.device) if bounded else None
        self._freed: list[int] = []
        self._waiting: deque[_Ended] = deque()
        self._last_verdict = time.monotonic()

    @property
    def in_flight(self) -> list[Job]:
        loaded = [job for job in self._slots if job is not None]
        return self._next + loaded + [each.job for each in self._waiting]

    def run(self) -> Iterator[list[Judged]]:
        """Yields finished images as they are judged, and empty lists in between as heartbeats."""
        if not self._next:
            return
        self._allocate()
        self._load(list(range(len(self._next))))
        while self._busy:
            beat = time.monotonic()
            for _ in range(self._rounds()):
                self._round()
                if self._freed:
                    break
                if time.monotonic() - beat >= SECONDS_BETWEEN_VERDICTS:
                    yield self._verdicts(at_least=self._company)
                    beat = time.monotonic()
            self._retire()
            yield self._verdicts(at_least=self._company)
        yield self._verdicts(at_least=0)

    def _allocate(self) -> None:
        count, device = len(self._slots), self._model.device
        must_declare(self._attack, "logits", Access.SCORES, Access.WHITE_BOX)
        self._stepper = self._attack.stepper(
            Slots(
                count,
                self._model.shape,
                self._model.classes,
                device,
                self._model.memory_format,
            )
        )
        self._occupied = torch.zeros(count, dtype=torch.bool, device=device)
        self._passes = torch.zeros((2, count), dtype=torch.int64, device=device)
        self._new, self._flat, self._lost = torch.zeros((3, count), dtype=torch.bool, device=device)
        self._loaded = False
        self._seen: Glance | None = None
        self._best = None
        if self._budget is not None:  # for the distance after so many passes
            self._best = BestQueries(self._declared, self._model, count)

    @property
    def _busy(self) -> bool:
        return any(job is not None for job in self._slots)

    @property
    def _company(self) -> int:
        """How many finished images are worth a judging pass of their own."""
        return max(1, len(self._slots) // 4)

    def _rounds(self) -> int:
        return max(0, self._stepper.next_finish() or 0) or rounds_between_looks(self._model.device)

    def _round(self) -> None:
        """One evaluation of the model at the stepper's point, without a look from the host."""
        slots, model = len(self._slots), self._model
        point = checked_point(self._stepper.point(), slots, model.shape, model.device)
        if point.gradient:
            must_declare(self._attack, "gradients", Access.WHITE_BOX)
        self._stop(point, point.asking, 1, int(point.gradient))
        if not self._busy and not self._next:
            return
        self._passes[0] += self._active & self._of(point, None)
        evaluate(
            self._stepper,
            self._model,
            point,
            partial(self._look, point),
            partial(self._count_again, point),
            partial(self._see, point),
        )

    def _look(self, point: Point, gradient: Tensor) -> None:
        """Note which images lose their direction: NaN or infinity in a gradient, or at first zero.

        One look for zeros is enough: nothing moves such an image, so its gradient stays what it is.
        """
        self._note_lost(point, gradient)
        if not self._loaded:
            return
        seen = self._new & self._asking(point)
        zero = ~gradient.ne(0).any(dim=(1, 2, 3))
        if point.rows is not None:
            zero = self._flat.index_copy(0, point.rows, zero)
        self._flat = torch.where(seen, zero, self._flat)
        self._new = self._new & ~seen & (point.rows is not None)
        self._loaded = point.rows is not None

    @property
    def _active(self) -> Tensor:
        """The slots whose passes count: neither idle nor finished."""
        return self._occupied & ~self._stepper.finished

    def _see(self, point: Point, logits: Tensor) -> None:
        """After a forward pass; the backward pass that follows is counted here."""
        active = self._active
        if self._best is not None:
            passes = self._passes.sum(0)
            self._best.see(point.images, logits, passes, rows=point.rows, counting=active)
        if point.gradient:
            self._passes[1] += active & self._asking(point)
            self._note_lost(point, logits)

    def _note_lost(self, point: Point, values: Tensor) -> None:
        """Which images have NaN or infinity in ``values``, logits or gradients at the point."""
        lost = not_finite(values)
        if point.rows is not None:
            lost = torch.zeros_like(self._lost).index_copy_(0, point.rows, lost)
        self._lost |= self._active & self._asking(point) & lost

    def _count_again(self, point: Point, again: Again) -> None:
        self._stop(point, again.asking, 0, 1)
        self._passes[1] += self._active & self._of(point, again.asking)

    def _stop(self, point: Point, asking: Tensor | None, forwards: int, backwards: int) -> None:
        """Take the images out whose budget has no room for these passes of the point's rows."""
        if self._budget is None:
            return
        cost = forwards * self._of(point, None).long() + backwards * self._of(point, asking)
        made, done = self._passes.sum(0), ~self._active
        ended = self._budget.ended(made, cost, forwards + backwards, done)
        if ended is None:
            return
        rows = [row for row, job in enumerate(self._slots) if job is not None and ended[row]]
        if rows:
            self._take(rows)
            self._next += itertools.islice(self._jobs, len(rows))

    def _asking(self, point: Point) -> Tensor:
        return self._of(point, point.asking)

    def _of(self, point: Point, asking: Tensor | None) -> Tensor:
        """Which slots, (slots,), are ``asking``, one for each of the point's images; None: all."""
        if point.rows is None:
            return self._occupied if asking is None else asking
        mask = torch.zeros_like(self._occupied)
        if asking is None:
            return mask.index_fill_(0, point.rows, True)
        return mask.index_copy_(0, point.rows, asking)

    def _retire(self) -> None:
        """Take finished images out of their slots, and put the next ones into free slots."""
        done = self._finished_rows()
        if done:
            self._take(done)
            self._next += itertools.islice(self._jobs, len(done))
        if self._freed:
            free, self._freed = self._freed, []
            self._load(free)
            self._shrink()

    def _take(self, done: list[int]) -> None:
        """Take images out of their slots, on their way to the judge."""
        rows = self._sent(done)
        result = checked_candidates(self._stepper.result(rows), len(done), self._model.shape)
        facts = torch.cat((self._passes[:, rows], self._flat[None, rows], self._lost[None, rows]))
        best = None if self._best is None else self._best.found.rows(rows)
        for index, row in enumerate(done):
            job = self._slots[row]
            assert job is not None
            numbers = {name: values[index] for name, values in result.numbers.items()}
            own = None if best is None else best.rows(slice(index, index + 1))
            self._waiting.append(_Ended(job, result.images[index], numbers, facts[:, index], own))
            self._slots[row] = None
        self._occupied[rows] = False
        self._passes[:, rows] = 0
        self._freed += done

    def _finished_rows(self) -> list[int]:
        mask = self._stepper.finished
        if runs_ahead(self._model.device) and self._stepper.next_finish() is None:
            seen = self._delayed(mask)
        else:
            seen = look(mask).tolist()
        return [row for row, job in enumerate(self._slots) if job is not None and seen[row]]

    def _delayed(self, mask: Tensor) -> list[bool]:
        """The mask as it was one look ago: the device has newer work queued and never waits."""
        before, self._seen = self._seen, Glance(mask & self._occupied)
        if before is None:
            return [False] * len(self._slots)
        seen: list[bool] = before.seen().tolist()
        return seen

    def _sent(self, rows: list[int]) -> Tensor:
        return sent(torch.tensor(rows), self._model.device)

    def _load(self, free: list[int]) -> None:
        """Put the next jobs into slots."""
        jobs, self._next = self._next, []
        if not jobs:
            return
        taken = free[: len(jobs)]
        for row, job in zip(taken, jobs, strict=True):
            self._slots[row] = job
        self._guard.on_call([job for job in self._slots if job is not None])
        rows, batch = self._sent(taken), to_batch(jobs, device=self._model.device)
        self._stepper.load(rows, batch)
        if self._best is not None:
            self._best.load(rows, batch)
        if self._budget is not None:
            self._budget.begin(rows, taken, budgets_of(jobs))
        self._passes[:, rows] = 0
        self._occupied[rows] = True
        self._new[rows] = True
        self._lost[rows] = False
        self._loaded = True
        self._seen = None  # a mask from before would call the new images finished

    def _shrink(self) -> None:
        """Give idle rows up once a quarter of them is idle: no forward that is not needed."""
        kept = [row for row, job in enumerate(self._slots) if job is not None]
        if not kept or len(kept) > 0.75 * len(self._slots):
            return
        filling = self._model.rows_for(len(kept)) - len(kept)
        idle = (row for row, job in enumerate(self._slots) if job is None)
        kept += itertools.islice(idle, filling)
        if len(kept) == len(self._slots):
            return
        rows = self._sent(kept)
        self._stepper.keep(rows)
        self._slots = [self._slots[row] for row in kept]
        self._occupied = self._occupied[rows]
        self._passes = self._passes[:, rows]
        self._new, self._flat, self._lost = self._new[rows], self._flat[rows], self._lost[rows]
        if self._best is not None:
            self._best.keep(rows)
        if self._budget is not None:
            self._budget.keep(rows, kept)
        self._seen = None

    def _verdicts(self, *, at_least: int) -> list[Judged]:
        """Judge what waits, if that is enough for a pass of its own or has waited long enough."""
        due = time.monotonic() - self._last_verdict >= SECONDS_BETWEEN_VERDICTS
        if not self._waiting or (len(self._waiting) < at_least and not due):
            return []
        ended = list(self._waiting)
        candidates = Candidates(
            torch.stack([each.image for each in ended]),
            {
                name: torch.stack([each.numbers[name] for each in ended])
                for name in ended[0].numbers
            },
        )
        facts = look(torch.stack([each.facts for each in ended], dim=1))
        forwards, backwards, flat, lost = facts.tolist()
        self._guard.check()
        best = [each.best for each in ended if each.best is not None]
        judged = self._judged(
            [each.job for each in ended],
            candidates,
            passes=[Passes(*each) for each in zip(forwards, backwards, strict=True)],
            flags={ZERO_GRADIENT: flat, NOT_FINITE: lost},
            best=Found.joined(best) if best else None,
        )
        self._waiting.clear()
        self._last_verdict = time.monotonic()
        return judged


@dataclass(frozen=True, slots=True)
class _Ended:
    """An image that was taken out of its slot and is not judged yet.

    Attributes:
        facts: int64 (4,): forward and backward passes, whether the first gradient was zero, whether
            one was not finite.
        best: one row.
    """

    job: Job
    image: Tensor
    numbers: Mapping[str, Tensor]
    facts: Tensor
    best: Found | None
