"""What a plugin may use but must leave as it found it: this process's settings, and the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from harness.api import PluginError
from harness.contained import cause, contained
from harness.engine.ambient import ASPECTS
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.engine.kept import KeptModel
from harness.engine.names import Names
from harness.engine.shared import Snapshot

CHANGED = "changed"
"""Stands behind who is to blame, and before what was not as it was."""


class _Beside:
    """Loads on another thread, which may draw from the global random numbers at any moment."""

    def __init__(self) -> None:
        self.started, self.active = 0, 0
        self._lock = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        with self._lock:
            self.started += 1
            self.active += 1
        try:
            yield
        finally:
            with self._lock:
                self.active -= 1


_beside = _Beside()


class Guard:
    """Sees what a plugin has changed since the guard was made, and puts it back.

    Made before a stretch of work with one plugin, and asked whenever another one, or the harness's
    own judgement, is next. A look costs much less than a pass of the model.

    Args:
        who: as errors call it, such as ``the attack``.
        model: the model that it works on.
        may_draw: whether it may use the global random numbers; they are put back all the same. So
            may a model that the trial found to be non-deterministic.
        on_call: hears before calls which jobs the plugin has in its hands.
    """

    def __init__(
        self,
        who: str,
        model: PixelClassifier | None = None,
        *,
        may_draw: bool = False,
        on_call: Callable[[Sequence[Job]], None] = lambda jobs: None,
    ) -> None:
        draws = model is not None and model.trial is not None and not model.trial.deterministic
        self._who, self._may_draw, self.on_call = who, may_draw or draws, on_call
        main = threading.current_thread() is threading.main_thread()
        self._before = Snapshot(each for each in ASPECTS if main or not each.main)
        self._names = Names.now()
        self._model = None if model is None else KeptModel(model)
        self._loads = _beside.started

    def check(self) -> None:
        """Put back what is not as it was.

        Raises:
            PluginError: something was not; it says what.
        """
        if found := self.put_back():
            raise PluginError(self._said(found), hint="put it back before you return")

    def put_back(self) -> list[str]:
        """Put back what is not as it was; what that is, in words."""
        alone = not _beside.active and self._loads == _beside.started
        self._loads = _beside.started
        found = self._names.put_back()  # first: the rest calls them, as the model needs the rest
        found += self._before.put_back(blame_draws=alone and not self._may_draw)
        return found + ([] if self._model is None else self._model.put_back())

    @contextmanager
    def around(self) -> Iterator[None]:
        """A call into the plugin: `contained`, then `check`."""
        try:
            with contained(self._who):
                yield
        except Exception as error:
            explained = self.explained(error)
            if explained is error:
                raise
            raise explained from error
        self.check()

    def explained(self, error: Exception) -> Exception:
        """``error``, or the likely cause of it: what the plugin has changed, which is put back."""
        if found := self.put_back():
            return PluginError(f"{self._said(found)}; then {cause('it', error)}")
        return error

    def _said(self, found: list[str]) -> str:
        return f"{self._who} {CHANGED} {', '.join(found)}"


@contextmanager
def loading(who: str) -> Iterator[None]:
    """Around a loader's work, which may be on another thread beside a guarded plugin.

    Raises:
        PluginError: it changed something, or raised what is no `Exception`.
    """
    guard = Guard(who, may_draw=True)
    if threading.current_thread() is threading.main_thread():
        with guard.around():
            yield
    else:
        with _beside.work(), guard.around():
            yield
