"""One target's part of the transfers: candidates, and clean pictures as their sources see them."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.api import DataError
from harness.engine import exact
from harness.engine.adaptation import BORDERS
from harness.engine.classifier import PixelClassifier
from harness.engine.device import default_batch_size, describe, pinned
from harness.engine.forwards import Forward, predicting
from harness.engine.transfer import Pictures, Seen, evaluate, read_ahead
from harness.errors import StoreError
from harness.estimate.passes import cache_folder, pass_cost_key
from harness.execute.attempts import Attempts, failure
from harness.execute.forward_choice import TimingCache, fastest
from harness.execute.model_cache import ModelCache
from harness.execute.pending import AdaptedClean
from harness.execute.session import Session
from harness.execute.trials import try_model
from harness.planning import Adaptation, Cell, Pair
from harness.resolve.classes import must_fit
from harness.store.read.candidates import Candidate, is_intact, read_pixels

_Row = tuple[int, Candidate]
"""A pair's number, and a candidate of its source."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a target, a clean cell, has yet to see; candidates in the order of their pixels."""

    target: Cell
    pairs: Sequence[tuple[Pair, Sequence[Candidate]]]
    clean: Sequence[tuple[AdaptedClean, Sequence[Candidate]]]

    @property
    def images(self) -> int:
        return sum(len(rows) for _, rows in (*self.pairs, *self.clean))

    @property
    def readable(self) -> Task:
        """Without the candidates whose pixels are not there."""
        kept = [(pair, [row for row in rows if row.file]) for pair, rows in self.pairs]
        return replace(self, pairs=[(pair, rows) for pair, rows in kept if rows])


class TargetWork:
    """Has targets predict what their tasks say and hands it to the writer, batch by batch.

    Attributes:
        computed: predictions that were stored.
    """

    def __init__(self, session: Session, models: ModelCache) -> None:
        self._resolved, self._models = session.resolved, models
        self._writer, self._progress = session.writer, session.progress
        self._device, self._asked_size = session.settings.device, session.settings.batch_size
        self._images, self._run = session.images, session.run
        self.computed = 0

    def do(self, task: Task, then: str | None) -> bool:
        """Do the whole of ``task``; whether any of it failed.

        ``then`` is the model whose turn comes next.
        """
        name, shape = task.target.model.name, tuple(task.target.model.about["shape"])
        self._progress.cell(f"{name}: transfers")
        self._rows = task.target.policy.rows
        asked = self._rows or self._asked_size
        self._size = asked or default_batch_size(self._device, shape)
        with Attempts(
            self._writer,
            self._progress,
            [task.target],
            run=self._run,
            device=describe(self._device),
            batch_size=self._size,
        ) as attempts:
            model = self._loaded(task.target, then, attempts)
            if model is not None:
                try:
                    self._show(task, model, attempts)
                except StoreError:
                    raise
                except Exception as error:
                    attempts.fail(failure(error))
        if attempts.error:
            self._progress.say(f"{name}: transfers: {attempts.error}")
        return attempts.error is not None

    def _loaded(self, clean: Cell, then: str | None, attempts: Attempts) -> PixelClassifier | None:
        """The model of the ``clean`` cell, tried; None where it cannot be used."""
        name = clean.model.name
        try:
            must_fit(self._resolved.models[name][1].classes, self._resolved.dataset)
            loaded = self._models.use(name, then)
            try_model(
                loaded, clean, self._images, self._writer, self._progress, self._models.evict_others
            )
        except StoreError:
            raise
        except Exception as error:
            attempts.fail(failure(error))
            return None
        return loaded.model

    def _show(self, task: Task, model: PixelClassifier, attempts: Attempts) -> None:
        """Candidates in groups that are adapted alike, so that batches are full; then the clean.

        The model's own candidates go the way that their verdicts went.
        """
        numbers = self._writer.transfers.numbers(pair for pair, _ in task.pairs)
        groups: dict[tuple[bool, Adaptation], list[_Row]] = {}
        for number, (pair, rows) in zip(numbers, task.pairs, strict=True):
            group = groups.setdefault((pair.own, pair.adaptation), [])
            group += [(number, row) for row in rows]
        others = task.images - sum(len(group) for (own, _), group in groups.items() if own)
        forward = self._fastest(task.target, model, others)
        for (own, how), group in groups.items():
            chosen = predicting(model) if own else forward
            self._show_candidates(group, chosen, how, attempts, verdicts=own)
        for clean, missing in task.clean:
            self._show_clean(clean, missing, forward, attempts)

    def _fastest(self, target: Cell, model: PixelClassifier, images: int) -> Forward:
        if self._rows is not None:
            return predicting(model)  # which way is fastest differs from run to run
        loader, _ = self._resolved.models[target.model.name]
        book = TimingCache(
            cache_folder() / "ways.json", device=str(self._device), batch_size=self._size
        )
        key = pass_cost_key(target.model, loader)
        return fastest(model, key, book, images=images, batch_size=self._size)

    def _show_candidates(
        self,
        rows: Sequence[_Row],
        forward: Forward,
        how: Adaptation,
        attempts: Attempts,
        *,
        verdicts: bool,
    ) -> None:
        batches: deque[Sequence[_Row]] = deque()

        def read(batch: Sequence[_Row]) -> Pictures | StoreError:
            try:
                pixels = torch.from_numpy(read_pixels([row for _, row in batch]))
            except StoreError as error:
                return error
            return Pictures(
                pinned(pixels, self._device),
                torch.tensor([row.goal for _, row in batch]),
                torch.tensor([row.predicted for _, row in batch]) if verdicts else None,
            )

        def pictures() -> Generator[Pictures, None, None]:
            for batch, found in read_ahead(self._batches(rows), read):
                if isinstance(found, StoreError):
                    attempts.fail(str(found))
                    batch = [(number, row) for number, row in batch if is_intact(row)]
                    found = read(batch) if batch else found
                if not isinstance(found, StoreError):
                    batches.append(batch)
                    yield found

        with closing(pictures()) as stream:
            for seen in self._evaluated(forward, stream, how, attempts):
                self._writer.transfers.write(
                    [
                        (number, row.image, predicted, rank)
                        for (number, row), predicted, rank in zip(
                            batches.popleft(), seen.predicted, seen.ranks, strict=True
                        )
                    ]
                )
                self._stored(len(seen.predicted))

    def _show_clean(
        self,
        clean: AdaptedClean,
        rows: Sequence[Candidate],
        forward: Forward,
        attempts: Attempts,
    ) -> None:
        """Predict the clean pictures of ``rows``' images, read as their sources read them."""
        how, source = clean.adaptation, clean.sources[0].model
        cut = self._resolved.models[source.name][1].preprocessing.cut
        batches: deque[list[int]] = deque()
        unreadable: list[tuple[int, None]] = []

        def pictures() -> Generator[Pictures, None, None]:
            names = [row.key.name for row in rows]
            with closing(self._images.stream(names, how.size, cut)) as stream:
                batch: list[tuple[Candidate, Tensor]] = []
                for row, picture in zip(rows, stream, strict=True):
                    if isinstance(picture, DataError):
                        attempts.fail(str(picture))
                        unreadable.append((row.image, None))
                    else:
                        batch.append((row, picture))
                    if batch and (len(batch) >= self._size or row is rows[-1]):
                        batches.append([row.image for row, _ in batch])
                        images = torch.stack([picture for _, picture in batch])
                        yield Pictures(pinned(images, self._device), torch.zeros(len(batch)).long())
                        batch = []

        def store(found: Sequence[tuple[int, int | None]]) -> None:
            self._writer.transfers.write_adapted(clean.target.key, how, found)
            self._stored(len(found))

        with closing(pictures()) as stream:
            for seen in self._evaluated(forward, stream, how, attempts):
                store(list(zip(batches.popleft(), seen.predicted, strict=True)))
        store(unreadable)

    def _evaluated(
        self,
        forward: Forward,
        stream: Generator[Pictures, None, None],
        how: Adaptation,
        attempts: Attempts,
    ) -> Iterator[Seen]:
        def halved(batch_size: int) -> None:
            if self._rows is not None:
                raise exact.no_memory(self._rows)
            self._models.evict_others()
            attempts.halved(batch_size)
            self._size = batch_size

        border = BORDERS.get(how.border, 0.0)  # with none there is nothing to fill
        return evaluate(forward, stream, border=border, on_halving=halved)

    def _batches(self, rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
        start = 0
        while start < len(rows):
            size = self._size
            yield rows[start : start + size]
            start += size

    def _stored(self, images: int) -> None:
        self.computed += images
        self._progress.advance(images=images, forwards=images)
