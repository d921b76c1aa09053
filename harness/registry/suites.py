"""Suites: what a file says of one, and what it is once all that it extends is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, PrivateAttr, model_validator

from harness.api import Goal
from harness.definition import Numerics
from harness.registry.entries import Entry
from harness.registry.fields import Count, Fields, Goals, Name, Names, Word

Replaceable = Literal["attacks", "composites", "goals", "measurements", "metrics", "models"]


class MemberEntry(Entry):
    """An attack with its parameters. Its class judges ``parameters`` and ``preset``, later."""

    attack: Word
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    preset: Word | None = None


class Attacking(Entry):
    """What attacks and composites of a suite have in common.

    Attributes:
        goals: None: those of the suite, or else the attack's default ones.
        more_goals: those that a suite adds which extends another one; where the attack cannot
            pursue one, it is left out.
        images: how many of the plan's images are attacked; None: as many as the suite says.
        keep: whether the adversarial images are kept.
        eight_bit: whether they are judged after rounding to 8 bits too.
        budget_passes: the most forward and backward passes of an image; None: no bound.
        list: the list of the dataset that the images are of, and the targets of goal random.
    """

    goals: Goals | None = None
    images: Count | None = None
    list: Word | None = None
    keep: bool = False
    eight_bit: bool = False
    budget_passes: Count | None = None

    _more_goals: tuple[Goal, ...] = PrivateAttr(())

    @property
    def more_goals(self) -> tuple[Goal, ...]:
        return self._more_goals

    def inherited(
        self, goals: tuple[Goal, ...], before: tuple[Goal, ...] | None, *, instead: bool
    ) -> Self:
        """The entry in a suite that has further ``goals``; or these ``instead`` of its own.

        Args:
            before: those of the suite that it stood in.
        """
        entry = self.model_copy(update={"goals": goals if instead else self.goals or before})
        entry._more_goals = () if instead else tuple(dict.fromkeys((*self._more_goals, *goals)))
        return entry


class AttackEntry(MemberEntry, Attacking):
    """An attack of a suite."""


class CompositeEntry(Attacking):
    """Attacks in order, as one; see `harness.api.CompositeAttack`.

    Attributes:
        attacks: each an attack, or another composite of the suite by its name alone.
    """

    attacks: Annotated[tuple[MemberEntry, ...], Field(strict=False, min_length=1)]


class MeasurementEntry(Entry):
    """A measurement of a suite. Its class judges ``parameters`` and ``preset``, later.

    Attributes:
        images: how many of the plan's images are measured; None: as many as the suite says.
        list: see `Attacking`.
    """

    measurement: Word
    goals: Goals = (Goal.UNTARGETED,)
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    preset: Word | None = None
    images: Count | None = None
    list: Word | None = None


class TransferEntry(Fields):
    """Saved adversarial examples on other models; see `harness.planning.PlannedTransfer`."""

    border: Literal["white", "grey"] = "white"
    keep_sets: bool = True


class SuiteFields(Entry):
    """What suites have whether they extend another one or not.

    Attributes:
        images: how many images are attacked, the first ones of the plan order; None: all.
        accuracy_images: how many images measure the accuracy; None: all.
        goals: of attacks that name none; None: each one's default ones.
        transfer: of every attack with ``keep``; None: no transfer.
        numerics: what gradients are computed in.
    """

    summary: str = ""
    extends: Word | None = None
    images: Count | None = None
    accuracy_images: Count | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    goals: Goals | None = None
    attacks: Annotated[tuple[AttackEntry, ...], Field(strict=False)] = ()
    composites: dict[Name, CompositeEntry] = Field(default_factory=dict)
    measurements: Annotated[tuple[MeasurementEntry, ...], Field(strict=False)] = ()
    transfer: TransferEntry | None = None
    numerics: Numerics = "fp32"


class SuiteEntry(SuiteFields):
    """What a run does.

    Attributes:
        models: names or globs; the registry's order counts.
    """

    dataset: Word
    models: Names
    metrics: Names

    @model_validator(mode="after")
    def _something_is_kept(self) -> SuiteEntry:
        every = (*self.attacks, *self.composites.values())
        if self.transfer is not None and not any(attack.keep for attack in every):
            raise ValueError("has transfer, but no attack keeps its images: set keep: true")
        return self

    @property
    def image_list(self) -> str | None:
        """The list that the order of the images begins with: that of the tasks that name one."""
        return next(iter(self._lists), None)

    @property
    def _lists(self) -> tuple[str, ...]:
        named = [each.list for each in (*self.attacks, *self.composites.values())]
        named += [each.list for each in self.measurements]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @model_validator(mode="after")
    def _one_list(self) -> SuiteEntry:
        if len(self._lists) > 1:
            named = ", ".join(self._lists)
            raise ValueError(f"names several lists of images, where one can be: {named}")
        return self

    @model_validator(mode="after")
    def _no_circle(self) -> SuiteEntry:
        for name in self.composites:
            self._follow(name, ())
        return self

    def _follow(self, name: str, way: tuple[str, ...]) -> None:
        """
        Raises:
            ValueError: the composite ``name``, which those of ``way`` name, names one of them; or
                it gives parameters to another composite.
        """
        if name in way:
            circle = " -> ".join((*way[way.index(name) :], name))
            raise ValueError(f"has composites that name each other in a circle: {circle}")
        for member in self.composites[name].attacks:
            if member.attack in self.composites:
                self._follow(member.attack, (*way, name))
                if member.parameters or member.preset:
                    inner = f"{member.attack!r} in composite {name!r}"
                    raise ValueError(f"gives parameters to {inner}, which is a composite itself")


class SuiteDraft(SuiteFields):
    """A suite as a file has it: what it does not say comes from the one that it extends.

    Lists are added to those of the other one, other fields replace its.

    Attributes:
        replaces: the lists that replace the other one's.
        metrics: None: the file's default ones.
    """

    replaces: Annotated[tuple[Replaceable, ...], Field(strict=False)] = ()
    dataset: Word | None = None
    models: Names | None = None
    metrics: Names | None = None

    @model_validator(mode="after")
    def _something_to_replace(self) -> SuiteDraft:
        if self.replaces and self.extends is None:
            raise ValueError("replaces something, but extends no suite: name one")
        for name in self.replaces:
            if name not in self.model_fields_set:
                raise ValueError(f"replaces {name}, but has none: give them")
        return self

    def fields(self, base: SuiteEntry | None, metrics: Names | None) -> dict[str, Any]:
        """The fields of the suite.

        Args:
            base: the suite that it extends.
            metrics: where neither names any.
        """
        own = {name: getattr(self, name) for name in SuiteEntry.model_fields}
        if base is None:
            return own if self.metrics else {**own, "metrics": metrics}
        found = {name: getattr(base, name) for name in SuiteEntry.model_fields}
        found |= {name: own[name] for name in self.model_fields_set if name in own}
        found |= {"summary": self.summary, "extends": self.extends}
        for name in ("models", "metrics", "goals"):
            if name not in self.replaces:
                found[name] = _united(getattr(base, name), own[name])
        return found | self._tasks(base)

    def _tasks(self, base: SuiteEntry) -> dict[str, Any]:
        """Attacks, measurements and transfer: what hangs on attacks goes with them."""
        others, given = "attacks" in self.replaces, self.model_fields_set
        attacks, measured = base.attacks, base.measurements
        composites = {} if "composites" in self.replaces else dict(base.composites)
        if self.goals is not None:
            instead = "goals" in self.replaces
            attacks = tuple(
                each.inherited(self.goals, base.goals, instead=instead) for each in attacks
            )
            composites = {
                name: each.inherited(self.goals, base.goals, instead=instead)
                for name, each in composites.items()
            }
        if others:
            attacks = ()
        if others or "measurements" in self.replaces:
            measured = ()
        transfer = self.transfer if others or "transfer" in given else base.transfer
        return {
            "attacks": (*attacks, *self.attacks),
            "composites": {**composites, **self.composites},
            "measurements": (*measured, *self.measurements),
            "transfer": transfer,
        }


def _united(*lists: Iterable[str] | None) -> tuple[str, ...] | None:
    """Everything once, in order; None: there is nothing."""
    return tuple(dict.fromkeys(item for each in lists for item in each or ())) or None
