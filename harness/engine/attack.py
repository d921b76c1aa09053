"""Attack a stream of images with any attack: stepped or whole-batch, halving on lack of memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from harness.api import (
    Attack,
    AttackParameters,
    Candidates,
    HarnessError,
    ModelError,
    PluginError,
    SteppedAttack,
)
from harness.engine.classifier import PixelClassifier
from harness.engine.device import is_out_of_memory
from harness.engine.halving import BatchSize
from harness.engine.jobs import Job, Judged, failed, to_batch
from harness.engine.slots import SlotEngine
from harness.engine.target import CountingTarget
from harness.engine.verify import judge


def attack_images(
    attack: AttackParameters,
    model: PixelClassifier,
    jobs: Iterator[Job],
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
    eight_bit: bool = False,
) -> Iterator[list[Judged]]:
    """Yields verdicts as images finish; empty lists are heartbeats.

    ``batch_size`` is halved when the device runs out of memory: the images in flight start anew,
    and ``on_halving`` hears of the new size. An attack that raises costs its images their verdict
    (status ``error``), nobody else's. ``eight_bit``: see `judge`.

    Raises:
        ModelError: the model itself fails.
    """

    def run(slots: int) -> Iterator[list[Judged]]:
        nonlocal jobs
        engine: SlotEngine | _BatchEngine
        if isinstance(attack, SteppedAttack):
            engine = SlotEngine(attack, model, jobs, slots=slots, eight_bit=eight_bit)
        elif isinstance(attack, Attack):
            engine = _BatchEngine(attack, model, jobs, size=slots, eight_bit=eight_bit)
        else:
            raise PluginError("an attack must be an Attack or a SteppedAttack")
        try:
            yield from engine.run()
        except Exception as error:
            jobs = itertools.chain(engine.in_flight, jobs)
            if is_out_of_memory(error) or isinstance(error, ModelError):
                raise
            yield [failed(job, _cause(error)) for job in jobs]

    return BatchSize(batch_size, model.device, on_halving).stream(run)


class _BatchEngine:
    """Runs a whole-batch attack, a batch at a time."""

    def __init__(
        self,
        attack: Attack,
        model: PixelClassifier,
        jobs: Iterator[Job],
        *,
        size: int,
        eight_bit: bool,
    ) -> None:
        self._attack, self._model, self._jobs, self._size = attack, model, jobs, size
        self._eight_bit = eight_bit
        self.in_flight: list[Job] = []

    def run(self) -> Iterator[list[Judged]]:
        while batch := list(itertools.islice(self._jobs, self._size)):
            self.in_flight = batch
            try:
                judged = self._perturb(batch)
            except Exception as error:
                if is_out_of_memory(error) or isinstance(error, ModelError):
                    raise
                # Batch mates must not share a fate: see which images it really is.
                judged = [self._alone(job, error, len(batch)) for job in batch]
            self.in_flight = []
            yield judged

    def _alone(self, job: Job, error: Exception, mates: int) -> Judged:
        if mates > 1:
            try:
                return self._perturb([job])[0]
            except ModelError:
                raise
            except Exception as again:
                error = again
        return failed(job, _cause(error))

    def _perturb(self, jobs: Sequence[Job]) -> list[Judged]:
        batch = to_batch(jobs, device=self._model.device)
        target = CountingTarget(self._model, self._attack, len(jobs))
        result = self._attack.perturb(target, batch)
        candidates = result if isinstance(result, Candidates) else Candidates(result)
        return judge(
            self._model,
            self._attack,
            jobs,
            candidates,
            target.forwards.tolist(),
            target.backwards.tolist(),
            eight_bit=self._eight_bit,
        )


def _cause(error: Exception) -> str:
    if isinstance(error, HarnessError):
        return str(error)
    return " ".join(f"the attack raised {type(error).__name__}: {error}".split())
