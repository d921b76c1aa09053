"""The work on one model: predict, then attack, goals of one attack side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing

import torch
from torch import Tensor

from harness.api import DataError, Goal, ModelError, Status
from harness.engine.attack import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.clean import predict_clean
from harness.engine.jobs import Job, Judged
from harness.engine.memory import default_batch_size
from harness.identity import image_seed, random_target
from harness.plan import Cell
from harness.schedule.attempts import Attempts
from harness.schedule.devices import describe
from harness.schedule.images import Images
from harness.schedule.progress import Progress
from harness.schedule.residency import Residency
from harness.schedule.resolve import Resolved
from harness.schedule.rows import clean_result_of, outcome_of, settled
from harness.store.queries import done_clean
from harness.store.records import CleanResult, KeptRow, Outcome
from harness.store.writer import Writer


class ModelWork:
    """Computes the pending images of one model's cells and hands them to the writer.

    Attributes:
        computed: images whose result was stored.
    """

    def __init__(
        self,
        resolved: Resolved,
        models: Residency,
        writer: Writer,
        progress: Progress,
        *,
        device: torch.device,
        batch_size: int | None,
        images: Images,
        digests: Mapping[str, tuple[int, str]],
        run: int,
    ) -> None:
        self._resolved, self._models = resolved, models
        self._writer, self._progress = writer, progress
        self._device, self._asked_size, self._run = device, batch_size, run
        self._images, self._digests = images, digests
        self.computed = 0

    def do(
        self, cells: Sequence[Cell], todo: Mapping[str, list[str]], then: str | None = None
    ) -> bool:
        """Work on ``cells``, the clean one first; whether any of it failed.

        ``then`` is the model whose turn comes next.
        """
        clean, *attacked = cells
        self._progress.cell(clean.model.name)
        try:
            model = self._ready(clean.model.name, then)
        except Exception as error:
            self._fail([cell for cell in cells if todo[cell.key]], error)
            return True
        failed = False
        groups = itertools.groupby(attacked, key=lambda cell: cell.attack and cell.attack.label)
        for group in [[clean], *(list(members) for _, members in groups)]:
            pending = [cell for cell in group if todo[cell.key]]
            if not pending:
                continue
            with Attempts(
                self._writer,
                self._progress,
                pending,
                run=self._run,
                device=describe(self._device),
                batch_size=self._size,
            ) as attempts:
                if pending == [clean]:
                    self._predict(model, clean, todo[clean.key], attempts)
                else:
                    self._attack(model, pending, todo, attempts)
            if attempts.error:
                failed = True
                self._progress.say(f"{pending[0].label}: {attempts.error}")
            self._progress.advance(cells=len(pending))
        return failed

    def _ready(self, name: str, then: str | None) -> PixelClassifier:
        loaded = self._models.use(name, then)
        self._size = self._asked_size or default_batch_size(self._device, loaded.model.shape)
        self._cut = loaded.cut
        return loaded.model

    def _halved(self, attempts: Attempts) -> Callable[[int], None]:
        """What to do when there was no memory for a batch: models that only wait must go."""

        def note(batch_size: int) -> None:
            self._models.give_way()
            attempts.halved(batch_size)

        return note

    def _fail(self, cells: Sequence[Cell], error: Exception) -> None:
        """The model cannot be loaded: every pending cell gets an attempt that says so."""
        for cell in cells:
            with Attempts(
                self._writer,
                self._progress,
                [cell],
                run=self._run,
                device=describe(self._device),
                batch_size=self._asked_size or 0,
            ) as attempts:
                attempts.fail(str(error))
        self._progress.say(f"{cells[0].model.name}: {error}")
        self._progress.advance(cells=len(cells))

    def _predict(
        self, model: PixelClassifier, cell: Cell, ids: Sequence[str], attempts: Attempts
    ) -> None:
        self._progress.cell(cell.label)
        unreadable: list[CleanResult] = []

        def pictures() -> Generator[tuple[str, Tensor, int], None, None]:
            with closing(self._images.stream(ids, model.shape[1:], self._cut)) as stream:
                for image_id, picture in zip(ids, stream, strict=True):
                    if isinstance(picture, DataError):
                        row = CleanResult(image_id, None, None, None, None, str(picture))
                        unreadable.append(row)
                    else:
                        yield image_id, picture, self._digests[image_id][0]

        def store(rows: Sequence[CleanResult]) -> None:
            self._writer.write_clean(attempts.of(cell), rows)
            errors = [row.error for row in rows if row.error]
            if errors:
                attempts.fail(errors[0])
            self.computed += len(rows)
            self._progress.advance(images=len(rows), forwards=len(rows) - len(errors))

        try:
            with closing(pictures()) as stream:
                for rows in predict_clean(
                    model, stream, batch_size=self._size, on_halving=self._halved(attempts)
                ):
                    store([clean_result_of(row) for row in rows])
        except ModelError as error:
            attempts.fail(str(error))
        if unreadable:
            store(unreadable)

    def _attack(
        self,
        model: PixelClassifier,
        cells: Sequence[Cell],
        todo: Mapping[str, list[str]],
        attempts: Attempts,
    ) -> None:
        """Attack the pending images of ``cells``, which differ in their goals alone."""
        first = cells[0]
        assert first.attack is not None
        self._progress.cell(" + ".join([first.label, *(str(cell.goal) for cell in cells[1:])]))
        clean = self._clean_results(first)
        jobs: list[tuple[Cell, str, int | None]] = []
        for cell in cells:
            settled: list[Outcome] = []
            for image_id in todo[cell.key]:
                label, digest = self._digests[image_id]
                outcome, target = _aim(cell, image_id, label, clean.get((image_id, digest)), model)
                if outcome is None:
                    jobs.append((cell, image_id, target))
                else:
                    settled.append(outcome)
            self._store(cell, settled, attempts)
        attack = self._resolved.attacks[first.attack.label]
        unreadable: list[tuple[Cell, Outcome]] = []
        try:
            with closing(self._jobs(jobs, model.shape[1:], unreadable)) as stream:
                for judged in attack_images(
                    attack,
                    model,
                    stream,
                    batch_size=self._size,
                    on_halving=self._halved(attempts),
                    eight_bit=first.attack.eight_bit,
                ):
                    for cell in cells:
                        rows = [row for row in judged if row.job.cell == cell.key]
                        self._store(cell, self._outcomes(cell, rows), attempts)
                    self._progress.advance()
        except ModelError as error:
            attempts.fail(str(error))
        for cell, outcome in unreadable:
            self._store(cell, [outcome], attempts)
        for cell in cells:
            if first.attack.keep:
                self._writer.artifacts.seal(cell.key)

    def _clean_results(self, cell: Cell) -> Mapping[tuple[str, str], CleanResult]:
        key = next(c.key for c in self._resolved.plan.of(cell.model) if c.attack is None)
        return done_clean(self._writer.db, key, retry_errors=False)

    def _jobs(
        self,
        jobs: Sequence[tuple[Cell, str, int | None]],
        size: tuple[int, int],
        unreadable: list[tuple[Cell, Outcome]],
    ) -> Generator[Job, None, None]:
        """The jobs with their pictures; one that can no longer be read goes to ``unreadable``."""
        ids = [image_id for _, image_id, _ in jobs]
        with closing(self._images.stream(ids, size, self._cut)) as pictures:
            for (cell, image_id, target), picture in zip(jobs, pictures, strict=True):
                assert cell.seed is not None
                if isinstance(picture, DataError):
                    unreadable.append((cell, settled(image_id, Status.ERROR, str(picture))))
                    continue
                yield Job(
                    cell=cell.key,
                    image_id=image_id,
                    image=picture,
                    label=self._digests[image_id][0],
                    target=target,
                    seed=image_seed(cell_key=cell.key, seed=cell.seed, image_id=image_id),
                )

    def _outcomes(self, cell: Cell, rows: Sequence[Judged]) -> list[Outcome]:
        assert cell.attack is not None
        kept: dict[int, KeptRow] = {}
        keepable = [index for index, row in enumerate(rows) if row.candidate is not None]
        if cell.attack.keep and keepable:
            stacked = torch.stack([rows[index].candidate for index in keepable])  # type: ignore[misc]
            stored = self._writer.artifacts.append(cell.key, stacked.contiguous().numpy())
            kept = dict(zip(keepable, stored, strict=True))
        return [outcome_of(row, kept.get(index)) for index, row in enumerate(rows)]

    def _store(self, cell: Cell, outcomes: Sequence[Outcome], attempts: Attempts) -> None:
        if not outcomes:
            return
        self._writer.write_outcomes(attempts.of(cell), outcomes)
        wrong = next((outcome for outcome in outcomes if outcome.error), None)
        if wrong and cell.attack:
            plugin = cell.attack.component.about["plugin"]
            attempts.fail(f"image {wrong.image_id}: {wrong.error} (plugin {plugin})", cell)
        self.computed += len(outcomes)
        self._progress.advance(
            images=len(outcomes), forwards=sum(outcome.forwards for outcome in outcomes)
        )


def _aim(
    cell: Cell, image_id: str, label: int, clean: CleanResult | None, model: PixelClassifier
) -> tuple[Outcome | None, int | None]:
    """The image's target, or its outcome where there is nothing to attack."""
    assert cell.goal is not None
    assert cell.seed is not None
    if clean is None or clean.predicted is None:
        reason = clean.error if clean else "the model could not be evaluated"
        return settled(image_id, Status.ERROR, f"no clean prediction: {reason}"), None
    if clean.predicted != label:
        return settled(image_id, Status.CLEAN_WRONG, None), None
    if cell.goal is Goal.UNTARGETED:
        return None, None
    target = {Goal.LEAST_LIKELY: clean.least, Goal.SECOND_LIKELY: clean.second}.get(cell.goal)
    if cell.goal is Goal.RANDOM:
        target = random_target(
            seed=cell.seed,
            dataset=cell.dataset.name,
            image_id=image_id,
            label=label,
            classes=model.classes,
        )
    if target == label:
        return settled(image_id, Status.ERROR, "all logits are equal: no such target"), None
    return None, target
