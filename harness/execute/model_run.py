"""The work on one model: predict, attack (goals side by side), then measure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial

import torch
from torch import Tensor

from harness.api import (
    CleanPrediction,
    DataError,
    ImageKey,
    Measured,
    ModelError,
    Outcome,
    Status,
    Verdict,
)
from harness.engine import exact
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.clean import predict_clean
from harness.engine.device import default_batch_size, describe
from harness.engine.jobs import Job, Judged
from harness.engine.measurements import measure_images
from harness.engine.workers import Workers
from harness.errors import StoreError
from harness.execute.attempts import Attempts, failure
from harness.execute.images import Images
from harness.execute.journal import Journal
from harness.execute.model_cache import ModelCache
from harness.execute.progress import Progress
from harness.execute.recorder import Recorder
from harness.execute.starting_points import StartingPoints, starts_of
from harness.execute.targets import Skipped, ToAttack, assign_targets
from harness.execute.trials import doubt_accuracy, try_model
from harness.identity import image_seed
from harness.planning import Cell
from harness.resolve.classes import must_fit
from harness.resolve.prepare import Resolved
from harness.store.artifacts import KeptRow
from harness.store.read.pending import done_clean
from harness.terminal import named

_Unreadable = tuple[Cell, str, DataError]


def _speaker(cell: Cell) -> str:
    """Whose prints a cell's work may hold."""
    if cell.task is None:
        return f"model {cell.model.name}"
    return f"plugin {cell.task.component.about['plugin']}"


class ModelWork:
    """Computes the pending images of one model's cells and hands them to the writer.

    Attributes:
        computed: images whose result was stored.
    """

    def __init__(
        self,
        resolved: Resolved,
        models: ModelCache,
        writer: Recorder,
        progress: Progress,
        *,
        device: torch.device,
        batch_size: int | None,
        images: Images,
        keys: Mapping[str, ImageKey],
        run: int,
        workers: Workers,
        journal: Journal,
    ) -> None:
        self._journal = journal
        self._resolved, self._models = resolved, models
        self._writer, self._progress = writer, progress
        self._device, self._asked_size, self._run = device, batch_size, run
        self._images, self._keys, self._workers = images, keys, workers
        self.computed = 0

    def do(
        self, cells: Sequence[Cell], todo: Mapping[str, list[str]], then: str | None = None
    ) -> bool:
        """Work on ``cells``, the clean one first; whether any of it failed.

        ``then`` is the model whose turn comes next.
        """
        clean, *tasks = cells
        self._progress.cell(clean.model.name)
        plugin = clean.model.about["plugin"]
        self._journal.call(f"the loading of {clean.model.name} (plugin {plugin})")
        try:
            model = self._ready(clean, then)
        except StoreError:
            raise
        except Exception as error:
            self._fail([cell for cell in cells if todo[cell.key]], error)
            return True
        failed = False
        # Goals of one attack share batches; measurements go one by one.
        groups = itertools.groupby(tasks, key=lambda cell: (cell.attack or cell).label)
        for group in [[clean], *(list(members) for _, members in groups)]:
            pending = [cell for cell in group if todo[cell.key]]
            if not pending:
                continue
            attempts = Attempts(
                self._writer,
                self._progress,
                pending,
                run=self._run,
                device=describe(self._device),
                batch_size=self._size,
            )
            with attempts, named(_speaker(pending[0])):
                try:
                    self._compute(model, pending, todo, attempts)
                except StoreError:
                    raise
                except Exception as error:  # whatever it was, other cells are not concerned
                    attempts.fail(failure(error))
                self._journal.idle()
            if attempts.error:
                failed = True
                self._progress.say(f"{pending[0].label}: {attempts.error}")
            self._progress.advance(cells=len(pending))
        return failed

    def _compute(
        self,
        model: PixelClassifier,
        cells: Sequence[Cell],
        todo: Mapping[str, list[str]],
        attempts: Attempts,
    ) -> None:
        """The pending images of cells that share their passes."""
        (first, *_) = cells
        if first.attack:
            self._attack(model, cells, todo, attempts)
        elif first.measurement:
            self._measure(model, first, todo[first.key], attempts)
        else:
            self._predict(model, first, todo[first.key], attempts)
            doubt_accuracy(first, self._keys, self._writer, self._progress)

    def _ready(self, clean: Cell, then: str | None) -> PixelClassifier:
        """The model of the ``clean`` cell, loaded and tried."""
        name = clean.model.name
        must_fit(self._resolved.models[name][1].classes, self._resolved.dataset)
        loaded = self._models.use(name, then)
        try_model(
            loaded, clean, self._images, self._writer, self._progress, self._models.evict_others
        )
        exact.check(loaded.model)
        self._rows = clean.policy.rows
        asked = self._rows or self._asked_size
        self._size = asked or default_batch_size(self._device, loaded.model.shape)
        self._cut = loaded.cut
        return loaded.model

    def _halve(self, attempts: Attempts, batch_size: int) -> None:
        """There was no memory for a batch: models that only wait must go.

        The model's next cells begin with the new size.

        Raises:
            ModelError: the size is part of the results' identity.
        """
        if self._rows is not None:
            raise exact.no_memory(self._rows)
        self._models.evict_others()
        attempts.halved(batch_size)
        self._size = batch_size

    def _fail(self, cells: Sequence[Cell], error: Exception) -> None:
        """The model cannot be used: every pending cell gets an attempt that says so."""
        said = f"{failure(error)} (plugin {cells[0].model.about['plugin']})"
        for cell in cells:
            with Attempts(
                self._writer,
                self._progress,
                [cell],
                run=self._run,
                device=describe(self._device),
                batch_size=self._asked_size or 0,
            ) as attempts:
                attempts.fail(said)
        self._progress.say(f"{cells[0].model.name}: {said}")
        self._progress.advance(cells=len(cells))

    def _predict(
        self, model: PixelClassifier, cell: Cell, ids: Sequence[str], attempts: Attempts
    ) -> None:
        self._progress.cell(cell.label)
        unreadable: list[CleanPrediction] = []

        def pictures() -> Generator[tuple[str, Tensor, int], None, None]:
            with closing(self._images.stream(ids, model.shape[1:], self._cut)) as stream:
                for image_id, picture in zip(ids, stream, strict=True):
                    label = self._keys[image_id].label
                    if isinstance(picture, DataError):
                        unreadable.append(CleanPrediction(image_id, label, error=str(picture)))
                    else:
                        yield image_id, picture, label

        def store(rows: Sequence[CleanPrediction]) -> None:
            self._writer.write_clean(attempts.of(cell), rows)
            errors = [row.error for row in rows if row.error]
            if errors:
                attempts.fail(errors[0])
            self.computed += len(rows)
            self._progress.advance(images=len(rows), forwards=len(rows) - len(errors))

        try:
            with closing(pictures()) as stream:
                for rows in predict_clean(
                    model, stream, batch_size=self._size, on_halving=partial(self._halve, attempts)
                ):
                    store(rows)
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
        jobs: list[ToAttack] = []
        for cell in cells:
            if first.attack.keep:  # outcomes without the candidates that transfers need
                self._writer.make_again(cell.key, todo[cell.key], self._run)
            jobs += self._aimed(cell, todo[cell.key], model, attempts)
        # Image by image: a picture is decoded once for all goals.
        place = {image.id: number for number, image in enumerate(first.images)}
        jobs.sort(key=lambda job: place[job[1]])
        attack = self._resolved.attacks[first.attack.label]
        unreadable: list[_Unreadable] = []
        try:
            for some, size in self._journal.by_danger(jobs, self._size):
                with closing(self._jobs(some, model.shape[1:], unreadable)) as stream:
                    for judged in attack_images(
                        attack,
                        model,
                        stream,
                        batch_size=size,
                        on_halving=partial(self._halve, attempts),
                        on_call=partial(self._calling, first),
                        eight_bit=first.attack.eight_bit,
                    ):
                        for cell in cells:
                            rows = [row for row in judged if row.job.cell == cell.key]
                            faults = {row.job.image_id for row in rows if row.is_attacks_fault}
                            outcomes = [row.outcome for row in rows]
                            self._store(cell, outcomes, attempts, self._keep(cell, rows), faults)
                        self._progress.advance()
        except ModelError as error:
            attempts.fail(str(error))
        for cell, image_id, unread in unreadable:
            self._settle(cell, [(image_id, Status.ERROR, str(unread))], attempts)
        for cell in cells:
            if first.attack.keep:
                self._writer.artifacts.seal(cell.key)

    def _measure(
        self, model: PixelClassifier, cell: Cell, ids: Sequence[str], attempts: Attempts
    ) -> None:
        """Measure the pending images of ``cell``."""
        assert cell.measurement is not None
        self._progress.cell(cell.label)
        jobs = self._aimed(cell, ids, model, attempts)
        unreadable: list[_Unreadable] = []
        starts = starts_of(self._writer.db, cell)
        try:
            for some, size in self._journal.by_danger(jobs, self._size):
                with closing(self._jobs(some, model.shape[1:], unreadable, starts)) as stream:
                    for finished in measure_images(
                        self._resolved.measurements[cell.measurement.label],
                        model,
                        stream,
                        self._workers,
                        batch_size=size,
                        on_halving=partial(self._halve, attempts),
                        on_pass=self._progress.advance,
                        on_call=partial(self._calling, cell),
                    ):
                        faults = {row.image_id for row in finished}
                        self._store_measured(cell, finished, attempts, faults)
        except ModelError as error:
            attempts.fail(str(error), cell)
        for _, image_id, unread in unreadable:
            self._settle(cell, [(image_id, Status.ERROR, str(unread))], attempts)

    def _aimed(
        self, cell: Cell, ids: Sequence[str], model: PixelClassifier, attempts: Attempts
    ) -> list[ToAttack]:
        """The images to work on; what becomes of the others is stored."""
        key = next(c.key for c in self._resolved.plan.of(cell.model) if c.task is None)
        clean = done_clean(self._writer.db, key, retry_errors=False)
        wanted, settled = assign_targets(cell, ids, self._keys, clean, model.classes)
        deadly = {name: self._journal.deadly((cell.key, name)) for _, name, _ in wanted}
        settled += [(name, Status.ERROR, why) for name, why in deadly.items() if why]
        self._settle(cell, settled, attempts)
        return [each for each in wanted if not deadly[each[1]]]

    def _calling(self, cell: Cell, jobs: Sequence[Job]) -> None:
        """A plugin is about to work for ``cell`` and those that share its passes."""
        images = [(job.cell, job.image_id) for job in jobs]
        self._journal.call(f"{cell.label} ({_speaker(cell)})", images)

    def _jobs(
        self,
        jobs: Sequence[ToAttack],
        size: tuple[int, int],
        unreadable: list[_Unreadable],
        starts: StartingPoints | None = None,
    ) -> Generator[Job, None, None]:
        """The jobs with their pictures; one that can no longer be read goes to ``unreadable``.

        So does one without the candidate to start from, where ``starts`` has the candidates.
        """
        ids = [image_id for _, image_id, _ in jobs]
        with closing(self._images.stream(ids, size, self._cut)) as pictures:
            for (cell, image_id, target), picture in zip(jobs, pictures, strict=True):
                assert cell.seed is not None
                if isinstance(picture, DataError):
                    unreadable.append((cell, image_id, picture))
                    continue
                adversarial = None if starts is None else starts.read(self._keys[image_id])
                if isinstance(adversarial, DataError):
                    unreadable.append((cell, image_id, adversarial))
                    continue
                yield Job(
                    cell=cell.key,
                    image_id=image_id,
                    image=picture,
                    label=self._keys[image_id].label,
                    target=target,
                    seed=image_seed(cell_key=cell.key, seed=cell.seed, image_id=image_id),
                    adversarial=adversarial,
                )

    def _keep(self, cell: Cell, rows: Sequence[Judged]) -> dict[str, KeptRow]:
        """Where the candidates of ``rows`` lie now, if the cell keeps them."""
        assert cell.attack is not None
        found = {row.job.image_id: row.candidate for row in rows if row.candidate is not None}
        if not cell.attack.keep or not found:
            return {}
        stacked = torch.stack(list(found.values())).contiguous().numpy()
        return dict(zip(found, self._writer.artifacts.append(cell.key, stacked), strict=True))

    def _store(
        self,
        cell: Cell,
        outcomes: Sequence[Outcome],
        attempts: Attempts,
        kept: Mapping[str, KeptRow],
        faults: Collection[str] = (),
    ) -> None:
        if outcomes:
            self._writer.write_outcomes(attempts.of(cell), outcomes, kept)
            self._stored(cell, outcomes, attempts, faults)

    def _settle(self, cell: Cell, rows: Sequence[Skipped], attempts: Attempts) -> None:
        if cell.attack:
            outcomes = [
                Outcome(
                    image_id=image,
                    label=self._keys[image].label,
                    verdict=Verdict(status),
                    error=why,
                )
                for image, status, why in rows
            ]
            self._store(cell, outcomes, attempts, {})
        else:
            measured = [
                Measured(image_id=image, status=status, error=why) for image, status, why in rows
            ]
            self._store_measured(cell, measured, attempts)

    def _store_measured(
        self,
        cell: Cell,
        rows: Sequence[Measured],
        attempts: Attempts,
        faults: Collection[str] = (),
    ) -> None:
        if rows:
            self._writer.write_measured(attempts.of(cell), rows)
            self._stored(cell, rows, attempts, faults)

    def _stored(
        self,
        cell: Cell,
        rows: Sequence[Outcome] | Sequence[Measured],
        attempts: Attempts,
        faults: Collection[str],
    ) -> None:
        """``faults``: images whose error is the plugin's, not the model's or the reader's."""
        self._journal.settled([(cell.key, row.image_id) for row in rows])
        wrong = next((row for row in rows if row.error), None)
        if wrong and cell.task:
            culprit = f" ({_speaker(cell)})" if wrong.image_id in faults else ""
            attempts.fail(f"image {wrong.image_id}: {wrong.error}{culprit}", cell)
        self.computed += len(rows)
        self._progress.advance(images=len(rows), forwards=sum(row.passes.forwards for row in rows))
