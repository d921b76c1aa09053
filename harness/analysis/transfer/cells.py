"""The cells of a transfer matrix: each source's attacked images on each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.analysis.results import Predictions, Results, Trial
from harness.api import Status
from harness.api.transfers import Denominator, Rate, TransferCell
from harness.store.read import transfers as transferred
from harness.store.read.transfers import SAME, StoredPair


@dataclass(frozen=True, slots=True)
class Source:
    """The images of a model's attack that can transfer.

    Attributes:
        cell: the id of its attack cell.
        attacked: the images with a verdict; the attack broke ``broken`` of them.
        without: further images of the runs that are invalid, failed or missing.
    """

    cell: int
    attacked: frozenset[int]
    broken: int
    without: int


def sources_of(trial: Trial) -> dict[str, Source]:
    """The sources by model, over the images of the suite's runs."""
    found: dict[str, Source] = {}
    for model, cell in trial.cells.items():
        rows = trial.outcomes(model)
        found[model] = Source(
            cell=cell.id,
            attacked=frozenset(image for image, row in rows.items() if row and row.status.judged),
            broken=sum(row is not None and row.status is Status.BROKEN for row in rows.values()),
            without=sum(row is None or row.status.failed for row in rows.values()),
        )
    return found


def transfer_cells(
    trial: Trial,
    sources: Mapping[str, Source],
    pairs: Mapping[tuple[int, int], StoredPair],
    *,
    k: int | None,
    denominator: Denominator,
) -> dict[tuple[str, str], TransferCell]:
    """The cells by (source, target); pairs without any transfer are absent.

    Args:
        pairs: by source cell and target's clean cell.
        k: of the top-k matching rate; None counts wrong predictions.
    """
    results = trial.results
    known: dict[tuple[int, int], Predictions] = {}
    found: dict[tuple[str, str], TransferCell] = {}
    for model, source in sources.items():
        for target, own in trial.clean.items():
            pair = pairs.get((source.cell, own.id))
            diagonal = model == target and k in (1, None)
            if pair is None and not diagonal:
                continue
            adapted = pair is not None and pair.border != SAME
            place = own.id, pair.adaptation if pair and adapted else 0
            if place not in known:
                known[place] = (
                    transferred.adapted_correct(results.db, pair)
                    if pair and adapted
                    else results.correct(own.id)
                )
            clean = known[place]
            rate = (
                _success(source)
                if diagonal
                else _rate(results, pair, source.attacked, clean, k, denominator)
            )
            if rate is not None:
                error = _error(source.attacked, clean)
                found[model, target] = TransferCell(model, target, rate, error)
    return found


def _success(source: Source) -> Rate | None:
    """The stored success of the attack itself."""
    return Rate(source.broken, len(source.attacked)) if source.attacked else None


def _rate(
    results: Results,
    pair: StoredPair | None,
    attacked: frozenset[int],
    clean: Predictions,
    k: int | None,
    denominator: Denominator,
) -> Rate | None:
    """None where the pair has no transfers of these images.

    For the released code's denominator an image whose clean prediction is not known is missing.
    """
    if pair is None:
        return None
    counted, unknown = attacked, 0
    if denominator == "code":
        counted = frozenset(image for image in attacked if clean.get(image))
        unknown = sum(clean.get(image) is None for image in attacked)
    tally = transferred.tally(results.db, pair.id, counted, k=k)
    if counted and not tally.stored:
        return None
    return Rate(tally.hits, tally.usable, len(counted) - tally.usable + unknown)


def _error(attacked: frozenset[int], clean: Predictions) -> Rate:
    answers = Counter(clean.get(image) for image in attacked)
    return Rate(answers[False], answers[False] + answers[True], answers[None])
