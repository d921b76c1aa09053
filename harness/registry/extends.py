"""Suites that extend others, of the same file or of any other one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from harness.errors import ConfigError
from harness.plugins import unknown
from harness.registry.document import Document
from harness.registry.fields import Names
from harness.registry.messages import explained
from harness.registry.registry import Registry
from harness.registry.suites import SuiteDraft, SuiteEntry


@dataclass(frozen=True, slots=True)
class Draft:
    """A suite of a file; ``metrics`` are the file's default ones."""

    suite: SuiteDraft
    document: Document
    metrics: Names | None


def extended(
    drafts: Mapping[str, Sequence[Draft]], names: Iterable[str], registry: Registry
) -> dict[str, SuiteEntry]:
    """The suites of these names, each the last one that has it.

    A suite that extends its own name extends that of an earlier file.

    Args:
        drafts: by name, in the order of the files.
        registry: the models and datasets that suites may name.

    Raises:
        ConfigError: there is no such suite, or they extend each other in a circle; a field is
            missing or wrong.
    """
    work = _Work(drafts, registry, {})
    return {name: work.suite(name, len(drafts[name]) - 1, ()) for name in names}


@dataclass(frozen=True, slots=True)
class _Work:
    """What there is, and what is done of it: suites by name and place among those of the name."""

    drafts: Mapping[str, Sequence[Draft]]
    registry: Registry
    done: dict[tuple[str, int], SuiteEntry]

    def suite(self, name: str, place: int, way: tuple[tuple[str, int], ...]) -> SuiteEntry:
        """One of the suites; ``way`` are those that extend it, one after the other."""
        key, draft = (name, place), self.drafts[name][place]
        if key not in self.done:
            base = self._base(draft, key, way)
            _check_references(self.registry, draft)
            self.done[key] = _whole(draft, base)
        return self.done[key]

    def _base(
        self, draft: Draft, key: tuple[str, int], way: tuple[tuple[str, int], ...]
    ) -> SuiteEntry | None:
        wanted = draft.suite.extends
        if wanted is None:
            return None
        where = draft.document.where(("suites", draft.suite.name, "extends"))
        others = [name for name in self.drafts if name != draft.suite.name]
        if wanted not in self.drafts:
            raise unknown("suite", wanted, others, where=where)
        name, place = key
        other = place - 1 if wanted == name else len(self.drafts[wanted]) - 1
        if other < 0:
            hint = "name another one; only a suite of an earlier file may have its name"
            raise ConfigError("the suite extends itself", where=where, hint=hint)
        step = (wanted, other)
        if step in (*way, key):
            circle = [each for each, _ in (*way, key)][[*way, key].index(step) :]
            raise ConfigError(
                f"suites extend each other in a circle: {' -> '.join((*circle, wanted))}",
                where=where,
                hint="let one of them extend none",
            )
        return self.suite(wanted, other, (*way, key))


def _whole(draft: Draft, base: SuiteEntry | None) -> SuiteEntry:
    """The suite with what it has from ``base``."""
    path = ("suites", draft.suite.name)
    fields = draft.suite.fields(base, draft.metrics)
    for name in ("dataset", "models", "metrics"):
        if fields[name] is None:
            raise ConfigError(
                "the field is missing",
                where=draft.document.where((*path, name)),
                hint="add it, or the suite that this one extends",
            )
    try:
        entry = SuiteEntry.model_validate(fields)
    except ValidationError as error:
        loc, what, remedy = explained(error, fields, SuiteEntry)
        raise ConfigError(what, where=draft.document.where((*path, *loc)), hint=remedy) from error
    entry.place(draft.suite.origin)
    return entry


def _check_references(registry: Registry, draft: Draft) -> None:
    """A suite's dataset and models exist, in its own file, an earlier or a later one."""
    suite, document = draft.suite, draft.document
    path = ("suites", suite.name)
    if suite.dataset is not None:
        registry.get_dataset(suite.dataset, where=document.where((*path, "dataset")))
    for position, glob in enumerate(suite.models or ()):
        registry.match_models([glob], where=document.where((*path, "models", position)))
