"""What a database holds, as suites, attacks, goals and models; every row is read once and kept.

Leaderboards, comparisons, transfer matrices, findings and the page are functions of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from sqlite3 import Connection

from harness.analysis.attacks import offered, one_attack
from harness.analysis.numerics import numerics_note, precision
from harness.analysis.points import points_note
from harness.analysis.stored import Outcomes as Outcomes
from harness.analysis.stored import Predictions as Predictions
from harness.analysis.stored import Rows
from harness.api.attacked import OutcomeRow
from harness.api.facts import ModelFacts, SuiteAttack
from harness.api.results import PointsOf
from harness.definition import Definition
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read import cells, transfers
from harness.store.read.cells import StoredCell


class Results(Rows):
    """The stored results of a database, read when they are first asked for."""

    def __init__(self, db: Connection, points: PointsOf = "returned") -> None:
        super().__init__(db, points)
        self._suite = cache(partial(SuiteResults, self))

    @cached_property
    def suites(self) -> list[str]:
        """The suites with runs, that of the latest run first."""
        return cells.suites(self.db)

    def suite(self, name: str | None = None) -> SuiteResults:
        """A suite's results, by default the latest run's.

        Raises:
            ConfigError: there are no runs, or none of this suite.
        """
        if not self.suites:
            raise ConfigError(
                "the database holds no runs", hint="start with `harness run --suite ...`"
            )
        if name is not None and name not in self.suites:
            raise ConfigError(
                f"no run of suite {name!r} is stored",
                where="--suite",
                hint=f"there are: {', '.join(self.suites)}",
            )
        return self._suite(name or self.suites[0])


@dataclass(frozen=True, slots=True)
class Trial:
    """An attack of a suite for a goal, over the suite's models: those of one seed and numerics.

    Attributes:
        policy: the numerics, as `StoredCell`; None where nothing ran yet.
        models: all models of the suite's runs, the latest run's first, with or without cells.
        cells, clean: each model's attack cell and clean cell, where there are any.
        notes: what was chosen by default, or is not shown.
    """

    results: Results = field(repr=False)
    suite: str
    dataset: str
    attack: SuiteAttack
    goal: str
    seed: int
    policy: str | None
    models: tuple[str, ...]
    cells: Mapping[str, StoredCell]
    clean: Mapping[str, StoredCell]
    notes: tuple[str, ...]

    def predictions(self, model: str) -> Predictions:
        """The images of the model's clean cell; none without a cell."""
        cell = self.clean.get(model)
        if cell is None:
            return {}
        stored = self.results.correct(cell.id)
        return {image: stored.get(image) for image in self.results.images(cell.runs)}

    def outcomes(self, model: str) -> Outcomes:
        """The images of the model's attack cell; none without a cell."""
        cell = self.cells.get(model)
        if cell is None:
            return {}
        return self.results.taken(cell.id, cell.runs)

    def judged(self, model: str) -> Mapping[int, OutcomeRow]:
        """Those with a verdict, broken or robust."""
        cell = self.cells.get(model)
        return {} if cell is None else self.results.judged(cell.id, cell.runs)

    def twin(self, model: str) -> StoredCell | None:
        """A cell of the weights that the model has here; None without any."""
        return self.cells.get(model) or self.clean.get(model)

    def model(self, name: str) -> ModelFacts:
        """What is known about a model, in the version of its cells."""
        twin = self.twin(name)
        return self.results.model(name) if twin is None else self.results.version(twin)

    def measured(self, model: str) -> list[StoredCell]:
        """The cells of measurements on the same weights, dataset, numerics and seed."""
        twin, suite = self.twin(model), self.results.suite(self.suite)
        return [] if twin is None else suite.measured(twin, self.policy, self.seed)


class SuiteResults:
    """The results of a suite's runs."""

    def __init__(self, results: Results, name: str) -> None:
        self.results = results
        self.name = name

    @cached_property
    def definition(self) -> Definition:
        """The suite as its latest run resolved it."""
        return cells.definition(self.results.db, self.name)

    @cached_property
    def cells(self) -> list[StoredCell]:
        """All cells of the suite's runs: clean ones, those of attacks and of measurements."""
        return cells.suite_cells(self.results.db, self.name)

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The latest run's, then those of older runs alone: a run of some hides none."""
        return (*self._named, *self._older)

    @cached_property
    def architectures(self) -> Mapping[str, str | None]:
        """Of each model, in its loader's words; None: it is not known."""
        found = {cell.model: self.results.architecture(cell) for cell in self.cells}
        return {model: found.get(model) for model in self.models}

    @cached_property
    def _named(self) -> list[str]:
        return self.definition["models"]

    @cached_property
    def _older(self) -> list[str]:
        found = {cell.model for cell in self.cells if not cell.is_measurement}
        return sorted(found - set(self._named))

    @cached_property
    def _attacked(self) -> Mapping[str, list[StoredCell]]:
        """The attacks' cells by label."""
        found: dict[str, list[StoredCell]] = {}
        for cell in self.cells:
            if cell.task is not None and cell.task.kind == "attack":
                found.setdefault(cell.task.label, []).append(cell)
        return found

    def measured(self, twin: StoredCell, policy: str | None, seed: int) -> list[StoredCell]:
        """The cells of measurements on the weights and dataset of another cell."""
        return self._measured.get((twin.place, policy, seed), [])

    @cached_property
    def _measured(self) -> Mapping[tuple[object, ...], list[StoredCell]]:
        found: dict[tuple[object, ...], list[StoredCell]] = {}
        for cell in self.cells:
            if cell.is_measurement:
                found.setdefault((cell.place, cell.policy, cell.seed), []).append(cell)
        return found

    @cached_property
    def attacks(self) -> Mapping[str, SuiteAttack]:
        """The attacks by label: the definition's in its order, then older runs'."""
        return offered(self.definition["attacks"], self._attacked)

    def no_attacks(self) -> ConfigError:
        """The error where an attack is needed."""
        return ConfigError(
            f"suite {self.name!r} has no attacks", hint="its models can only be listed"
        )

    def with_goal(self, goal: str | None) -> list[SuiteAttack]:
        """The attacks that have this goal; None: all.

        Raises:
            ConfigError: the suite has no attacks, or none has the goal.
        """
        if not self.attacks:
            raise self.no_attacks()
        able = [each for each in self.attacks.values() if goal in (None, *each.goals)]
        if not able:
            goals = dict.fromkeys(name for each in self.attacks.values() for name in each.goals)
            raise unknown("goal of the suite", goal or "", goals, where="--goal", listed=True)
        return able

    def known_model(self, name: str) -> None:
        """
        Raises:
            ConfigError: the suite has no such model.
        """
        if name not in self.models:
            raise unknown("model", name, self.models, where=name, listed=True)

    def trial(self, attack: str | None = None, goal: str | None = None) -> Trial:
        """The attack and goal asked for, or the default ones.

        Args:
            attack: an attack's name or label, or a glob; None: the first attack with results that
                minimises the distortion, of those that have the goal.

        Raises:
            ConfigError: the suite has no such attack or goal, or several attacks match.
        """
        if attack is None:
            chosen, said = self._default_attack(goal)
        else:
            chosen, said = self._attack(attack), ()
        wanted, more = self._goal(chosen, goal)
        return self._trial(chosen, wanted, (*said, *more))

    def trials(self, attack: str | None = None, goal: str | None = None) -> list[Trial]:
        """Every attack with every goal, or those asked for, with results or without.

        Raises:
            ConfigError: the suite has no such attack or goal, or several attacks match.
        """
        found = list(self.attacks.values()) if attack is None else [self._attack(attack)]
        goals = dict.fromkeys(pursued for each in found for pursued in each.goals)
        if goal is not None and found and goal not in goals:
            raise unknown("goal", goal, goals, where="--goal", listed=True)
        return [
            self._trial(each, pursued, ())
            for each in found
            for pursued in each.goals
            if goal in (None, pursued)
        ]

    @cached_property
    def every_trial(self) -> tuple[Trial, ...]:
        """Every attack with every goal."""
        return tuple(self.trials())

    def panels(self) -> list[Trial]:
        """The trials that have transfers."""
        linked = transfers.linked_cells(self.results.db)
        return [
            trial
            for trial in self.trials()
            if any(
                (cell.id, own.id) in linked
                for cell in trial.cells.values()
                for own in trial.clean.values()
            )
        ]

    def _default_attack(self, goal: str | None) -> tuple[SuiteAttack, tuple[str, ...]]:
        """Of those with the goal the first minimal one with cells, else with cells, else any.

        The suite's own go first.
        """
        able = self.with_goal(goal)
        ran = [
            attack
            for attack in able
            if any(goal in (None, cell.goal) for cell in self._attacked.get(attack.label, ()))
        ]
        ran = [attack for attack in ran if not attack.ad_hoc] or ran
        for attack in ran:
            if attack.budget is None:
                return attack, ()
        chosen = (ran or able)[0]
        note = f"no minimum-distortion attack of the suite has results: {chosen.label} is shown"
        return chosen, (note,)

    def _attack(self, asked: str) -> SuiteAttack:
        current = {
            entry["label"]
            for entry in self.definition["attacks"]
            if not self.attacks[entry["label"]].ad_hoc
        }
        return one_attack(asked, self.attacks, current)

    def _goal(self, attack: SuiteAttack, asked: str | None) -> tuple[str, tuple[str, ...]]:
        if asked is not None:
            if asked not in attack.goals:
                what = f"goal of {attack.label}"
                raise unknown(what, asked, attack.goals, where="--goal", listed=True)
            return asked, ()
        ran = {cell.goal for cell in self._attacked.get(attack.label, ())}
        goals = [goal for goal in attack.goals if goal in ran] or list(attack.goals)
        if "random" in goals:
            return "random", ()
        return goals[0], (f"{attack.label} has no results for goal random: {goals[0]} is shown",)

    def _trial(self, attack: SuiteAttack, goal: str, notes: tuple[str, ...]) -> Trial:
        mine = [cell for cell in self._attacked.get(attack.label, ()) if cell.goal == goal]
        last = max(mine, key=lambda cell: cell.latest, default=None)
        chosen = _newest(cell for cell in mine if last and cell.group == last.group)
        clean = self._clean(chosen, last)
        shown = {**clean, **chosen}
        replaced = {
            cell.model
            for cell in self.cells
            if not cell.is_measurement
            and cell.model in shown
            and cell.model_id != shown[cell.model].model_id
        }
        others = len({cell.group for cell in mine}) - 1
        policy = last.policy if last else self._latest_policy
        said = [
            *notes,
            *map(str, self.results.lacking(self.name)),
            *numerics_note(attack.label, goal, policy),
            *points_note(self.results.points, [self.results.keeps(c.id) for c in chosen.values()]),
        ]
        if self._older:
            said.append(f"from older runs, not in the suite's latest: {', '.join(self._older)}")
        if replaced:
            said.append(
                "stored with other weights or preprocessing too, of which the latest run's are"
                f" shown: {', '.join(sorted(replaced))}"
            )
        if others > 0 and last:
            said.append(
                f"{others} more seed, version, numerics or dataset of this attack and goal is"
                f" stored; the latest run's is shown (seed {last.seed}, gradients in"
                f" {precision(last.policy)})"
            )
        return Trial(
            results=self.results,
            suite=self.name,
            dataset=last.dataset if last else self.definition["dataset"],
            attack=attack,
            goal=goal,
            seed=last.seed if last and last.seed is not None else self.definition["seed"],
            policy=policy,
            models=self.models,
            cells=chosen,
            clean=clean,
            notes=tuple(said),
        )

    @cached_property
    def _latest_policy(self) -> str | None:
        """The numerics of the latest run's attacks and measurements."""
        last = max((c for c in self.cells if c.task), key=lambda cell: cell.latest, default=None)
        return last.policy if last else None

    def _clean(
        self, chosen: Mapping[str, StoredCell], last: StoredCell | None
    ) -> dict[str, StoredCell]:
        """Each model's clean cell: that of the trial's weights, dataset and numerics."""

        def fits(cell: StoredCell) -> bool:
            twin = chosen.get(cell.model)
            return (twin is None or twin.model_id == cell.model_id) and (
                last is None or (cell.dataset_id, cell.verdicts) == (last.dataset_id, last.verdicts)
            )

        return _newest(cell for cell in self.cells if cell.task is None and fits(cell))


def _newest(found: Iterable[StoredCell]) -> dict[str, StoredCell]:
    """Each model's cell of its latest run: newer weights take the place of older ones."""
    return {cell.model: cell for cell in sorted(found, key=lambda cell: cell.latest)}
