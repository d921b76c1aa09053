"""Rules of metrics, on cells of stored rows that are made here."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from functools import cached_property

from harness.api import (
    CellRows,
    CleanPrediction,
    Metric,
    Norms,
    Outcome,
    Passes,
    PluginError,
    Score,
    Status,
    Verdict,
)
from harness.contained import scored
from harness.engine.guard import CHANGED, Guard
from harness.resolve.components import metric_instance
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

IMAGES = 24
CLASSES = 4
STATUSES = (Status.ROBUST, Status.BROKEN, Status.CLEAN_WRONG, Status.INVALID, Status.ERROR)

rules: Rules[MetricSubject] = Rules("metric", see="docs/plugins.md: The other kinds")


class MetricSubject:
    """The metric of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def metric(self) -> Metric:
        return metric_instance(self.component.registration)

    def score(self, cell: CellRows) -> Score:
        """As a run's last step scores a cell."""
        with Guard("it").around():
            return scored(self.metric, cell)


def subject(component: Component) -> MetricSubject:
    return MetricSubject(component)


def cells() -> Iterator[CellRows]:
    """An ordinary cell, and those of one status alone, and of one image."""
    yield cell(STATUSES)
    for status in STATUSES:
        yield cell((status,))
    yield cell((Status.BROKEN,), images=1)


def cell(statuses: tuple[Status, ...], images: int = IMAGES) -> CellRows:
    """A cell in whose images these statuses take turns."""
    source = random.Random(f"{statuses} {images}")
    rows = [_outcome(row, statuses[row % len(statuses)], source) for row in range(images)]
    clean = [_clean(row) for row in rows]
    return CellRows("model", "attack", "untargeted", (3, 8, 8), clean, rows)


def _outcome(row: int, status: Status, source: random.Random) -> Outcome:
    label, judged = row % CLASSES, status.judged
    predicted = (label + (status is Status.BROKEN)) % CLASSES if judged else None
    margin = source.uniform(0.1, 3.0) if status is Status.BROKEN else -source.uniform(0.1, 3.0)
    linf = source.uniform(0.01, 0.3)
    verdict = Verdict(status, predicted, margin if judged else None)
    return Outcome(
        image_id=str(row),
        label=label,
        verdict=verdict,
        confident=status is Status.BROKEN and row % 2 == 0,
        norms=Norms(linf, 5 * linf, 20 * linf, 10 + row) if judged else Norms(),
        passes=Passes(row + 1, row) if judged else Passes(),
        numbers={"epsilon": linf} if judged else {},
        rounded=verdict if judged else None,
        error="it failed" if status.failed else None,
    )


def _clean(outcome: Outcome) -> CleanPrediction:
    wrong = outcome.status is Status.CLEAN_WRONG
    order = [(outcome.label + wrong + step) % CLASSES for step in range(CLASSES)]
    return CleanPrediction(
        outcome.image_id,
        outcome.label,
        predicted=order[0],
        margin=-1.0 if wrong else 1.0,
        least=order[-1],
        second=order[1],
        likeliest=tuple(order),
    )


@rules.rule()
def it_can_be_made(subject: MetricSubject) -> None:
    """Its class is a `Metric` that is made without arguments."""
    assert subject.metric


@rules.rule(it_can_be_made)
def its_unit_is_text(subject: MetricSubject) -> None:
    """Its unit is a short text: `%` for rates in [0, 1], `px` for distances, or empty."""
    unit: object = subject.metric.unit
    if not isinstance(unit, str) or len(unit) > 20:
        raise Broken(f"its unit is {unit!r}")


@rules.rule(it_can_be_made, see="docs/plugins.md: What a plugin may not do to others")
def others_find_things_as_they_were(subject: MetricSubject) -> None:
    """Scoring leaves the process as it was."""
    try:
        subject.score(cell(STATUSES))
    except PluginError as error:
        if f" {CHANGED} " in str(error):
            raise Broken(str(error)) from error
    except Exception:
        return  # the next rule's


@rules.rule(others_find_things_as_they_were)
def it_is_a_number_or_nothing(subject: MetricSubject) -> None:
    """Whatever a cell holds, the score is a number that is not NaN, or None."""
    for each in cells():
        try:
            subject.score(each)
        except Exception as error:
            statuses = ", ".join(dict.fromkeys(row.status for row in each.outcomes))
            raise Broken(f"on {len(each.outcomes)} images ({statuses}): {error}") from error


@rules.rule(it_is_a_number_or_nothing)
def the_cell_is_not_changed(subject: MetricSubject) -> None:
    """The cell that it sees stays what it was."""
    for each in cells():
        before = copy.deepcopy(each)
        subject.score(each)
        if each != before:
            raise Broken("rows of the cell have changed")


@rules.rule(it_is_a_number_or_nothing)
def the_same_cell_has_the_same_score(subject: MetricSubject) -> None:
    """It depends on the stored rows alone: scored twice, a cell has the same score."""
    for each in cells():
        if (first := subject.score(each)) != (second := subject.score(each)):
            raise Broken(f"first {first}, then {second}")


@rules.rule(it_is_a_number_or_nothing)
def an_empty_cell_has_no_score(subject: MetricSubject) -> None:
    """A cell without images has no value, over 0 images."""
    empty = CellRows("model", "attack", "untargeted", (3, 8, 8), [], [])
    try:
        found = subject.score(empty)
    except Exception as error:
        raise Broken(f"it raised {type(error).__name__}: {error}") from error
    if found.value is not None or found.images:
        raise Broken(f"it is {found}")


@rules.rule(it_is_a_number_or_nothing)
def its_images_are_counted(subject: MetricSubject) -> None:
    """The number of images is at most the cell's, and 0 where there is no value and only there."""
    for each in cells():
        found = subject.score(each)
        most = max(len(each.clean), len(each.outcomes))
        if found.images > most:
            raise Broken(f"of {most} images it counts {found.images}")
        if (found.value is None) != (found.images == 0):
            raise Broken(f"it is {found}")


@rules.rule(the_same_cell_has_the_same_score, the_cell_is_not_changed)
def the_order_of_images_is_nothing(subject: MetricSubject) -> None:
    """Its value does not depend on the order of the rows, beyond rounding."""
    each = cell(STATUSES)
    first = subject.score(each)
    source = random.Random(1)
    rows, clean = list(each.outcomes), list(each.clean)
    source.shuffle(rows)
    source.shuffle(clean)
    turned = CellRows(each.model, each.attack, each.goal, each.shape, clean, rows)
    second = subject.score(turned)
    close = first.value == second.value or (
        first.value is not None
        and second.value is not None
        and math.isclose(first.value, second.value, rel_tol=1e-9, abs_tol=1e-12)
    )
    if not close or first.images != second.images:
        raise Broken(f"in another order {second} became of {first}")
