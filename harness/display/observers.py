"""Observers of a run: made from what was asked for, and each kept on a thread of its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from queue import Full, Queue

from pydantic import ValidationError

from harness.api import ConfigError, Event, HarnessError, Observer, PluginError
from harness.contained import cause, contained
from harness.plugins import Catalog, Kind, unknown
from harness.terminal import as_speaker

MOST = 1000
"""Events that may wait for an observer; one that takes none of so many hangs."""

_OPTION = re.compile(r":(?=[A-Za-z][\w-]*=)")
"""What is before an option: a value may hold colons, as a path or a URL does."""


@dataclass(frozen=True, slots=True)
class Named:
    """An observer, and what it is called in messages."""

    name: str
    observer: Observer


def observers(asked: Iterable[str | Observer], catalog: Catalog, where: str) -> list[Named]:
    """The observers that are asked for: ``NAME[:option=value]...``, or ready-made ones.

    Raises:
        ConfigError: there is no such observer, or it has no such option or value. PluginError: it
            cannot be imported, or is none.
    """
    return [_ready(each, where) if not isinstance(each, str) else _named(each, catalog, where)
            for each in asked]  # fmt: skip


def _ready(observer: object, where: str) -> Named:
    if not isinstance(observer, Observer):
        hint = "give a name, or an instance of a subclass of harness.api.Observer"
        raise ConfigError(f"{type(observer).__name__} is no observer", where=where, hint=hint)
    return Named(f"observer {type(observer).__name__}", observer)


def _named(asked: str, catalog: Catalog, where: str) -> Named:
    name, *parts = _OPTION.split(asked)
    registration = catalog.get(Kind.OBSERVER, name, where=where)
    made, see = registration.load(), f"`harness observers show {name}`"
    if not isinstance(made, type) or not issubclass(made, Observer):
        raise PluginError(
            f"observer {name!r} is no subclass of harness.api.Observer",
            where=f"plugin {registration.plugin} ({registration.distribution})",
        )
    options = {}
    for part in parts:
        option, _, value = part.partition("=")
        field = option.replace("-", "_")
        if field not in made.model_fields:
            raise unknown(f"option of {name}", option, made.model_fields, where, see)
        options[field] = value
    try:
        with contained(f"observer {name!r}"):
            return Named(f"observer {name}", made(**options))
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]) if first["loc"] else name
        raise ConfigError(f"{option}: {first['msg']}", where=where, hint=f"see {see}") from error
    except HarnessError:
        raise
    except Exception as error:
        raise ConfigError(cause(f"observer {name!r}", error), where=where) from error


class Watcher:
    """One observer on its thread.

    Attributes:
        problem: why it is told nothing more; None: all is well.
    """

    def __init__(self, named: Named) -> None:
        self._named = named
        self._events: Queue[Event | None] = Queue(MOST)
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._watch, name=named.name, daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Pass on an event, if it still listens; takes no time."""
        if self.problem is None:
            self._put(event)

    def end(self) -> None:
        """There are no more events: let it come to its end."""
        self._put(None)

    def wait(self, seconds: float) -> None:
        """Wait for so long at most until it has come to its end."""
        self._thread.join(seconds if self.problem is None else 0)
        if self._thread.is_alive() and self.problem is None:
            self._detach("it does not come to its end")

    def _put(self, event: Event | None) -> None:
        try:
            self._events.put_nowait(event)
        except Full:
            self._detach(f"it hangs, and {MOST} events wait for it")

    def _watch(self) -> None:
        with as_speaker(self._named.name):
            try:
                while (event := self._events.get()) is not None:
                    if self.problem is not None:
                        return
                    self._named.observer.observe(event)
                self._named.observer.close()
            except BaseException as error:
                self._detach(cause("it", error))

    def _detach(self, why: str) -> None:
        self.problem = f"{self._named.name} is told nothing more: {why}"
