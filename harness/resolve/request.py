"""What a run is asked to do, in names: models, attacks, goals and images of a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from harness.api import ConfigError, Goal
from harness.definition import Numerics
from harness.part import Part
from harness.plugins import unknown
from harness.registry import SuiteEntry
from harness.resolve.places import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A suite and what of it; empty selections mean "what the suite says".

    Attributes:
        dataset: instead of the suite's: a name of the registry, or READER:PATH; see
            `harness.resolve.datasets`.
        models: names, globs, and LOADER:MODEL for models that the registry does not name.
        attacks: names or labels, or globs, of attacks and measurements; see `adhoc` for those that
            the suite does not name.
        images: ids, or globs, of images of the dataset.
        weights: (glob of models, source or file); without a glob it is for all that have it.
        preprocessing: of the models that the registry does not name; see `named.parsed_input`.
        data: where datasets are, by name: here, and wherever ``data_on`` says nothing else.
        data_on: where hosts with workers have datasets; the last one that fits a host counts first.
        eight_bit: whether every attack's candidates are also judged after rounding to 8 bits.
        known: hashes of the weights that names of models stand for already, in the database.
        exact: how many images every pass has; see `NumericPolicy.rows`.
        shard: the part of the run to compute; None: all of it.
        numerics: what gradients are computed in; None: as the suite says.

    Raises:
        ConfigError: no pass can have ``exact`` images, or there are no such numerics.
    """

    suite: str
    dataset: str | None = None
    models: Sequence[str] = ()
    weights: Sequence[tuple[str | None, str]] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    attacks: Sequence[str] = ()
    goals: Sequence[Goal] = ()
    images: Sequence[str] = ()
    limit: int | None = None
    seed: int | None = None
    data: Mapping[str, Path] = field(default_factory=dict)
    data_on: Mapping[str, tuple[HostPath, ...]] = field(default_factory=dict)
    eight_bit: bool = False
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    exact: int | None = None
    shard: Part | None = None
    numerics: Numerics | None = None

    def __post_init__(self) -> None:
        # Vector instructions: the rest of an array is computed in another way.
        if self.exact is not None and self.exact != 1 and (self.exact < 32 or self.exact % 32):
            hint = "1, 32, 64, 96, ..."
            raise ConfigError(f"{self.exact} images per pass", where="--exact", hint=hint)
        known = get_args(Numerics)
        if self.numerics not in (None, *known):
            raise unknown("numerics", str(self.numerics), known, where="numerics", listed=True)

    def numerics_in(self, suite: SuiteEntry) -> Numerics:
        """What gradients are computed in."""
        return self.numerics or suite.numerics


def named_goals(names: Sequence[str]) -> list[Goal]:
    """The goals called ``names``.

    Raises:
        ConfigError: there is no such goal.
    """
    for name in names:
        if name not in set(Goal):
            raise unknown("goal", name, Goal, where="--goals", see="`harness attacks show NAME`")
    return [Goal(name) for name in names]


def with_stored_names(request: Request, db: Path) -> Request:
    """``request`` with the weights that the database has under each model's name.

    Only models given as files can clash with them.
    """
    if not db.is_file() or not any(":" in model or "." in model for model in request.models):
        return request
    from harness.store.database import reading
    from harness.store.read.cells import model_weights

    with reading(db) as connection:
        return replace(request, known=model_weights(connection.conn))
