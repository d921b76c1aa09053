"""Attack a stream of images with any attack, stepped or whole-batch; halve what does not fit."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from harness.api import Attack, AttackParameters, ModelError, PluginError, SteppedAttack
from harness.contained import cause, contained
from harness.engine.classifier import PixelClassifier
from harness.engine.device import is_out_of_memory
from harness.engine.guard import Guard
from harness.engine.halving import BatchSize
from harness.engine.jobs import Job, Judged, failed, filled, to_batch
from harness.engine.judge import judge
from harness.engine.slots import SlotEngine
from harness.engine.target import CountingTarget
from harness.engine.values import checked_candidates

WHO = "the attack"


def attack_images(
    attack: AttackParameters,
    model: PixelClassifier,
    jobs: Iterator[Job],
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
    on_call: Callable[[Sequence[Job]], None] = lambda jobs: None,
    eight_bit: bool = False,
) -> Iterator[list[Judged]]:
    """Yields verdicts as images finish; empty lists are heartbeats.

    ``batch_size`` is halved when the device runs out of memory: the images in flight start anew,
    and ``on_halving`` is called with the new size. Where the attack fails, with whatever it raises,
    returns or changes (see `Guard`), the images in flight start anew in halves, until those that
    make it fail are alone: they lose their verdict (status ``error``), the others do not.
    ``on_call`` is called with the jobs that the attack works on; ``eight_bit``: see `judge`.

    Raises:
        ModelError: the model itself fails. Exception: what ``jobs`` raised.
    """
    source, guard = _Source(jobs), Guard(WHO, model, on_call=on_call)
    suspects: deque[list[Job]] = deque()

    def run(size: int) -> Iterator[list[Judged]]:
        while True:
            some = iter(suspects.popleft()) if suspects else None
            engine = _engine(attack, model, some or source, size, eight_bit, guard)
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
        raise guard.explained(error) from error
    finally:
        guard.put_back()


def _engine(
    attack: AttackParameters,
    model: PixelClassifier,
    jobs: Iterator[Job],
    size: int,
    eight_bit: bool,
    guard: Guard,
) -> SlotEngine | _BatchEngine:
    if isinstance(attack, SteppedAttack):
        return SlotEngine(attack, model, jobs, slots=size, eight_bit=eight_bit, guard=guard)
    if isinstance(attack, Attack):
        return _BatchEngine(attack, model, jobs, size=size, eight_bit=eight_bit, guard=guard)
    raise PluginError("an attack must be an Attack or a SteppedAttack")


class _BatchEngine:
    """Runs a whole-batch attack, one batch after the other.

    Attributes:
        in_flight: the current batch. After an exception the caller can start it anew elsewhere.
    """

    def __init__(
        self,
        attack: Attack,
        model: PixelClassifier,
        jobs: Iterator[Job],
        *,
        size: int,
        eight_bit: bool,
        guard: Guard,
    ) -> None:
        self._attack, self._model, self._jobs, self._size = attack, model, jobs, size
        self._eight_bit, self._guard = eight_bit, guard
        self.in_flight: list[Job] = []

    def run(self) -> Iterator[list[Judged]]:
        while batch := list(itertools.islice(self._jobs, self._size)):
            self.in_flight = batch
            judged = self._perturb(batch)
            self.in_flight = []
            yield judged

    def _perturb(self, jobs: list[Job]) -> list[Judged]:
        self._guard.on_call(jobs)
        batch = filled(jobs, self._model.rows or len(jobs))
        target = CountingTarget(self._model, self._attack, len(batch))
        result = self._attack.perturb(target, to_batch(batch, device=self._model.device))
        self._guard.check()
        passes, flat = target.counted()
        return judge(
            self._model,
            self._attack,
            batch,
            checked_candidates(result, len(batch), self._model.shape),
            passes=passes,
            flat=flat,
            eight_bit=self._eight_bit,
        )[: len(jobs)]
