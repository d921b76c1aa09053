"""What leaderboards say of several attacks taken together, and of budgets that are read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness.analysis.columns import Models
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.api.attacked import Attacked
from harness.api.facts import SuiteAttack
from harness.report.attacked import part_fields
from harness.report.presentation import Field

Row = tuple[Entry, Place]


def joint_fields(board: Leaderboard) -> Iterator[Field[Entry]]:
    """The robust accuracy under each fixed budget; people see it where nothing else is shown."""
    alone = all(metric.frontier.steps for metric in board.columns)
    for part in board.parts:
        yield from part_fields(part.trial.attack.label, partial(_of, part), shown=alone)


def fields(board: Leaderboard) -> Iterator[Field[Row]]:
    """The robust accuracy of each norm, or of each attack, next to that of all together."""
    if not board.trial.attack.fixed:
        return  # smallest distances have no robust accuracy
    attacks = [part.trial.attack for part in board.parts]
    norms = {each.norm for each in attacks}
    for part, attack in zip(board.parts, attacks, strict=True):
        label = f"{attack.norm} {attack.budget:g}" if len(norms) > 1 else attack.label
        yield from part_fields(label, partial(_part, part))


def _part(part: Models, row: Row) -> Attacked:
    return _of(part, row[0])


def _of(part: Models, entry: Entry) -> Attacked:
    attack = part.places[entry.model].attack
    assert attack is not None
    return attack


def about(board: Leaderboard, which: str) -> str:
    """What is read at a budget; ``which`` images of the cell count."""
    trial = board.trial
    return (
        f"{trial.attack.label}, goal {trial.goal}, dataset {trial.dataset}; robust: classified"
        " correctly, and no stored perturbation within the budget breaks it, in pixel space"
        f" [0, 1]; images: attacked/all {which}"
    )


def notes(board: Leaderboard) -> Iterator[str]:
    """Which attacks are taken together."""
    if board.trial.attack.members:
        labels = [each.label for each in _leaves(board.trial.attack)]
        yield f"robust: under each of {len(labels)} attacks: {', '.join(labels)}"
    own = sum(place.of for _, place in board.rows)
    most = sum(_most(board, entry.model) for entry in board.entries)
    if board.common is None and own < most:
        yield (
            f"attacks of different numbers of images: {own} of {most} (model, image) pairs count,"
            " those that all of the attacks take"
        )


def _most(board: Leaderboard, model: str) -> int:
    """The images of the attack with the most."""
    return max((len(part.trial.outcomes(model)) for part in board.parts), default=0)


def _leaves(attack: SuiteAttack) -> Iterator[SuiteAttack]:
    if not attack.members:
        yield attack
    for member in attack.members:
        yield from _leaves(member)
