"""Continuous batching: a fixed number of slots, an image in each, refilled as they finish."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from harness.api import Candidates, Passes, Point, Slots, SteppedAttack, Stepper, look
from harness.engine.classifier import PixelClassifier
from harness.engine.device import Glance, rounds_between_looks, runs_ahead, sent
from harness.engine.guard import Guard
from harness.engine.jobs import Job, Judged, to_batch
from harness.engine.judge import judge
from harness.engine.values import checked_candidates, checked_point

SECONDS_BETWEEN_VERDICTS = 1.0
"""How long a finished image may wait for company on its way to the judging pass."""


def evaluate(
    stepper: Stepper,
    model: PixelClassifier,
    point: Point,
    look: Callable[[Tensor], None] | None = None,
) -> None:
    """A forward, and where asked for a backward, at the stepper's ``point``; the stepper moves.

    ``look`` sees the gradient before the stepper, which may overwrite it.
    """
    if not point.gradient:
        stepper.observe(model.logits(point.images))
        return
    made = model.differentiated(point.images)
    gradient = made.gradient(stepper.observe(made.logits))
    if look is not None:
        look(gradient)
    if 0 in gradient.stride():  # one value for many pixels, and steppers work in place on it
        gradient = gradient.contiguous()
    stepper.step(gradient)


class SlotEngine:
    """Drives one stepped attack over jobs; owns forward, backward, refill, counters and verdicts.

    Args:
        jobs: taken one by one as slots fall free.
        slots: how many images are in flight at most.
        eight_bit: see `judge`.
        guard: asked before each verdict.

    Attributes:
        in_flight: the jobs that are loaded, or finished and not yet judged. After an exception the
            caller can start them anew elsewhere.
    """

    def __init__(
        self,
        attack: SteppedAttack,
        model: PixelClassifier,
        jobs: Iterator[Job],
        *,
        slots: int,
        eight_bit: bool,
        guard: Guard,
    ) -> None:
        self._attack, self._model, self._jobs = attack, model, jobs
        self._eight_bit, self._guard = eight_bit, guard
        first = list(itertools.islice(jobs, model.rows or slots))
        self._slots: list[Job | None] = [None] * (model.rows or len(first))
        self._waiting: deque[tuple[Job, Tensor, dict[str, Tensor], Tensor]] = deque()
        self._first = first
        self._last_verdict = time.monotonic()

    @property
    def in_flight(self) -> list[Job]:
        loaded = [job for job in self._slots if job is not None]
        return self._first + loaded + [entry[0] for entry in self._waiting]

    def run(self) -> Iterator[list[Judged]]:
        """Yields finished images as they are judged, and empty lists in between as heartbeats."""
        if not self._first:
            return
        self._allocate()
        first, self._first = self._first, []
        self._load(list(range(len(first))), first)
        while any(job is not None for job in self._slots):
            beat = time.monotonic()
            for _ in range(self._rounds()):
                self._round()
                if time.monotonic() - beat >= SECONDS_BETWEEN_VERDICTS:
                    yield self._verdicts(at_least=self._company)
                    beat = time.monotonic()
            self._retire()
            yield self._verdicts(at_least=self._company)
        yield self._verdicts(at_least=0)

    def _allocate(self) -> None:
        count, device = len(self._slots), self._model.device
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
        self._new, self._flat = torch.zeros((2, count), dtype=torch.bool, device=device)
        self._loaded = False
        self._seen: Glance | None = None

    @property
    def _company(self) -> int:
        """How many finished images are worth a judging pass of their own."""
        return max(1, len(self._slots) // 4)

    def _rounds(self) -> int:
        return self._stepper.next_finish() or rounds_between_looks(self._model.device)

    def _round(self) -> None:
        """One evaluation of the model at the stepper's point, without a look from the host."""
        slots, model = len(self._slots), self._model
        point = checked_point(self._stepper.point(), slots, model.shape, model.device)
        self._count(point)
        first = partial(self._look, point.asking) if self._loaded and point.gradient else None
        evaluate(self._stepper, self._model, point, first)

    def _look(self, asking: Tensor | None, gradient: Tensor) -> None:
        """Note of the images that are new whether their first gradient is zero everywhere.

        One look is enough: nothing moves such an image, so its gradient stays what it is.
        """
        new = self._new if asking is None else self._new & asking
        zero = ~gradient.ne(0).any(dim=(1, 2, 3))
        self._flat = torch.where(new, zero, self._flat)
        self._new.zero_()
        self._loaded = False

    def _count(self, point: Point) -> None:
        """Idle and finished slots are not counted: an image's passes do not depend on its mates."""
        active = self._occupied & ~self._stepper.finished
        if point.rows is not None:
            self._passes[0].index_add_(0, point.rows, active[point.rows].long())
            return
        if point.gradient and point.asking is None:
            self._passes += active
            return
        self._passes[0] += active
        if point.asking is not None:
            self._passes[1] += active & point.asking

    def _retire(self) -> None:
        """Take finished images out of their slots and put the next ones in."""
        done = self._finished_rows()
        if not done:
            return
        rows = self._sent(done)
        result = checked_candidates(self._stepper.result(rows), len(done), self._model.shape)
        facts = torch.cat((self._passes[:, rows], self._flat[None, rows]))
        # `result` may be a view of state that the next image overwrites.
        images = result.images.clone()
        numbers = {name: values.clone() for name, values in result.numbers.items()}
        for index, row in enumerate(done):
            job = self._slots[row]
            assert job is not None
            each = {name: values[index] for name, values in numbers.items()}
            self._waiting.append((job, images[index], each, facts[:, index]))
            self._slots[row] = None
        self._occupied[rows] = False
        self._load(done, list(itertools.islice(self._jobs, len(done))))
        self._shrink()

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

    def _load(self, free: list[int], jobs: list[Job]) -> None:
        if not jobs:
            return
        taken = free[: len(jobs)]
        for row, job in zip(taken, jobs, strict=True):
            self._slots[row] = job
        self._guard.on_call([job for job in self._slots if job is not None])
        rows = self._sent(taken)
        self._stepper.load(rows, to_batch(jobs, device=self._model.device))
        self._passes[:, rows] = 0
        self._occupied[rows] = True
        self._new[rows] = True
        self._loaded = True
        self._seen = None  # a mask from before would call the new images finished

    def _shrink(self) -> None:
        """Give idle rows up once a quarter of them is idle: no forward that is not needed.

        Not where every pass has the same number of rows.
        """
        if self._model.rows is not None:
            return
        kept = [row for row, job in enumerate(self._slots) if job is not None]
        if not kept or len(kept) > 0.75 * len(self._slots):
            return
        rows = self._sent(kept)
        self._stepper.keep(rows)
        self._slots = [self._slots[row] for row in kept]
        self._occupied = self._occupied[rows]
        self._passes = self._passes[:, rows]
        self._new, self._flat = self._new[rows], self._flat[rows]
        self._seen = None

    def _verdicts(self, *, at_least: int) -> list[Judged]:
        """Judge what waits, if that is enough for a pass of its own or has waited long enough."""
        due = time.monotonic() - self._last_verdict >= SECONDS_BETWEEN_VERDICTS
        if not self._waiting or (len(self._waiting) < at_least and not due):
            return []
        jobs, images, numbers, facts = zip(*self._waiting, strict=True)
        candidates = Candidates(
            torch.stack(images),
            {name: torch.stack([each[name] for each in numbers]) for name in numbers[0]},
        )
        forwards, backwards, flat = look(torch.stack(facts, dim=1)).tolist()
        self._guard.check()
        judged = judge(
            self._model,
            self._attack,
            jobs,
            candidates,
            passes=[Passes(*each) for each in zip(forwards, backwards, strict=True)],
            flat=flat,
            eight_bit=self._eight_bit,
        )
        self._waiting.clear()
        self._last_verdict = time.monotonic()
        return judged
