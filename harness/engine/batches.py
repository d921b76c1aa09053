"""Attack a stream of images with any attack, stepped or whole-batch; halve what does not fit."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch

from harness.api import (
    Attack,
    AttackParameters,
    CompositeAttack,
    ModelError,
    PluginError,
    SteppedAttack,
)
from harness.contained import cause, contained
from harness.engine.best import BestQueries, Judging, judge_with_best
from harness.engine.budget import budgets_of
from harness.engine.classifier import PixelClassifier
from harness.engine.composite import Member, attack_with_members
from harness.engine.device import is_out_of_memory
from harness.engine.guard import Guard
from harness.engine.halving import BatchSize
from harness.engine.jobs import Job, Judged, failed, filled, to_batch
from harness.engine.judge import Declared
from harness.engine.slots import SlotEngine
from harness.engine.target import BudgetSpent, CountingTarget
from harness.engine.values import checked_candidates

WHO = "the attack"


def attack_images(
    attack: AttackParameters | Member,
    model: PixelClassifier,
    jobs: Iterator[Job],
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
    on_call: Callable[[Sequence[Job]], None] = lambda jobs: None,
    eight_bit: bool = False,
) -> Iterator[list[Judged]]:
    """Yields verdicts as images finish; empty lists are heartbeats.

    A composite's members take turns, see `attack_with_members`. ``batch_size`` is halved when the
    device runs out of memory: the images in flight start anew, and ``on_halving`` is called with
    the new size. Where the attack fails, with whatever it raises, returns or changes (see `Guard`),
    the images in flight start anew in halves, until those that make it fail are alone: they lose
    their verdict (status ``error``), the others do not. ``on_call`` is called with the jobs that
    the attack works on; ``eight_bit``: see `judge`. What it has for an image whose passes are at
    the job's budget is judged as it is.

    Raises:
        ModelError: the model itself fails. Exception: what ``jobs`` raised.
    """
    member = attack if isinstance(attack, Member) else Member(attack, attack)
    attack, declared = member.attack, member.declared
    if isinstance(attack, CompositeAttack):
        within = partial(attack_images, model=model, on_call=on_call, eight_bit=eight_bit)
        return attack_with_members(
            member, model, jobs, batch_size=batch_size, on_halving=on_halving, run=within
        )
    source, guard = _Source(jobs), Guard(WHO, model, on_call=on_call)
    suspects: deque[list[Job]] = deque()
    judged = partial(judge_with_best, model, declared, eight_bit=eight_bit)

    def run(size: int) -> Iterator[list[Judged]]:
        while True:
            some = iter(suspects.popleft()) if suspects else None
            engine = _engine(member, model, some or source, size, judged, guard)
            try:
                yield from _verdicts(engine, guard)
            except Exception as error:
                if source.failure is not None:
                    raise source.failure from None
                left, rest = engine.in_flight, list(some or ())
                if is_out_of_memory(error) or isinstance(error, ModelError):
                    suspects.extendleft(part for part in (rest, left) if part)
                    raise
                half = len(left) // 2
                suspects.extendleft(part for part in (rest, left[half:], left[:half]) if part)
                if half == 0:
                    suspects.popleft()
                    yield [failed(left[0], cause(WHO, error))]
            else:
                if some is None:
                    return

    return BatchSize(batch_size, model.device, on_halving).stream(run)


class _Source(Iterator[Job]):
    """The jobs; what they raise is not the attack's error."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self.failure: BaseException | None = None

    def __next__(self) -> Job:
        try:
            return next(self._jobs)
        except StopIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


def _verdicts(engine: SlotEngine | _BatchEngine, guard: Guard) -> Iterator[list[Judged]]:
    """What ``engine`` yields. Whatever the plugin raises comes out as an `Exception`, and what it
    has changed is put back."""
    run = engine.run()
    try:
        while True:
            with contained(WHO):
                judged = next(run, None)
            if judged is None:
                return
            yield judged
    except Exception as error:
        explained = guard.explained(error)
        if explained is error:  # it is no cause of itself
            raise
        raise explained from error
    finally:
        guard.put_back()


def _engine(
    member: Member,
    model: PixelClassifier,
    jobs: Iterator[Job],
    size: int,
    judged: Judging,
    guard: Guard,
) -> SlotEngine | _BatchEngine:
    attack, declared = member.attack, member.declared
    if isinstance(attack, SteppedAttack):
        return SlotEngine(attack, declared, model, jobs, slots=size, judged=judged, guard=guard)
    if isinstance(attack, Attack):
        return _BatchEngine(attack, declared, model, jobs, size=size, judged=judged, guard=guard)
    raise PluginError("an attack must be an Attack, a SteppedAttack or a CompositeAttack")


class _BatchEngine:
    """Runs a whole-batch attack, one batch after the other.

    Attributes:
        in_flight: the current batch. After an exception the caller can start it anew elsewhere.
    """

    def __init__(
        self,
        attack: Attack,
        declared: Declared,
        model: PixelClassifier,
        jobs: Iterator[Job],
        *,
        size: int,
        judged: Judging,
        guard: Guard,
    ) -> None:
        self._attack, self._declared = attack, declared
        self._model, self._jobs = model, jobs
        self._size = min(size, attack.most_images or size)
        self._judged, self._guard = judged, guard
        self.in_flight: list[Job] = []

    def run(self) -> Iterator[list[Judged]]:
        while batch := list(itertools.islice(self._jobs, self._size)):
            self.in_flight = batch
            judged = self._perturb(batch)
            self.in_flight = []
            yield judged

    def _perturb(self, jobs: list[Job]) -> list[Judged]:
        self._guard.on_call(jobs)
        model, attack = self._model, self._attack
        filling = filled(jobs, min(model.rows or len(jobs), self._size))
        batch, best = to_batch(filling, device=model.device), None
        budgets = budgets_of(filling)
        if attack.best_query or budgets is not None:
            best = BestQueries(self._declared, model, len(filling))
            best.load(torch.arange(len(filling), device=model.device), batch)
        target = CountingTarget(model, attack, len(filling), best=best, budgets=budgets)
        result, stopped = None, False
        try:
            result = attack.perturb(target, batch)
        except BudgetSpent:
            stopped = True
        self._guard.check()
        candidates = target.judgeable(
            None if stopped else checked_candidates(result, len(filling), model.shape)
        )
        passes, flags = target.counted()
        found = best.found if best is not None and attack.best_query else None
        judged = self._judged(filling, candidates, passes=passes, flags=flags, best=found)
        return judged[: len(jobs)]
