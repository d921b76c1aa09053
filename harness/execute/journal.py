"""What the process does in plugins, written before each call: if it dies there, that is known.

The file is next to the database during a run. It is written to the page cache, which outlives the
process; after a power cut nobody is blamed.
"""

from __future__ import annotations

import faulthandler
import json
import os
import time
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from harness import api
from harness.overdue import MARK
from harness.signals import asked

DEATHS = 2
"""How often a process may die of an image before the image is left out."""
LONG = 60.0
"""After so many seconds in one call, an interrupt is mentioned by the next run."""

Image = tuple[str, str]
"""(cell key, image id)."""


@dataclass(frozen=True, slots=True)
class Call(api.Call):
    """A call, and when it began."""

    began: float = field(default_factory=time.time)


class Journal:
    """The file of one process; a context that removes it when there is nothing to remember.

    Attributes:
        last_call: the call that ended the process before this one; None: none did.
        last: one line about what that process was doing in a plugin when it ended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deaths, self.last_call, self.last = _read(path)
        self._descriptor = -1
        self._call: Call | None = None

    def __enter__(self) -> Journal:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        self.idle()
        self._own_faults = not faulthandler.is_enabled()
        if self._own_faults:
            faulthandler.enable(self._descriptor)  # a fault's name comes after what is written here
        self._exit, os._exit = os._exit, self._exiting  # type: ignore[assignment]
        return self

    def __exit__(self, *raised: object) -> None:
        os._exit = self._exit
        if self._own_faults:
            faulthandler.disable()
        if asked() and self._seconds > LONG:
            self._note_interrupt()
        elif self._deaths:
            self.idle()
        else:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def call(self, what: str, images: Sequence[Image] = ()) -> None:
        """A plugin is about to be called, and works on these images until the next call here."""
        self._write(Call(what, images))

    def idle(self) -> None:
        """No plugin is working."""
        self._write(None)

    def deadly(self, image: Image) -> str | None:
        """Why the image is to be left out; None: it is not."""
        count, why = self._deaths.get(image, (0, ""))
        if count < DEATHS:
            return None
        if MARK in why:
            return f"left out: {why}"
        return f"left out, for {count} processes died on it: {why}"

    def died(self, images: Sequence[Image], why: str, *, certain: bool = False) -> None:
        """Another process has died on these images, and on no others.

        ``certain``: it would again.
        """
        for image in images:
            count, _ = self._deaths.get(image, (0, ""))
            self._deaths[image] = (count + (DEATHS if certain else 1), why)
        self._write(self._call)

    def suspects(self) -> Set[Image]:
        """The images that a process died with and whose result is not stored yet."""
        return self._deaths.keys()

    def settled(self, images: Sequence[Image]) -> None:
        """Their results are stored."""
        for image in images:
            self._deaths.pop(image, None)

    def _write(self, call: Call | None) -> None:
        self._call = call
        state = {
            "call": None if call is None else asdict(call),
            "deaths": [[*image, *death] for image, death in self._deaths.items()],
        }
        line = json.dumps(state).encode() + b"\n"
        with suppress(OSError):  # of a full disk the store has more to say
            os.pwrite(self._descriptor, line, 0)
            os.ftruncate(self._descriptor, len(line))
            os.lseek(self._descriptor, 0, os.SEEK_END)  # where a fault is noted

    def _exiting(self, code: int) -> NoReturn:
        if not asked():
            os.write(self._descriptor, f"os._exit({code})\n".encode())
        elif self._seconds > LONG:
            self._note_interrupt()
        self._exit(code)

    @property
    def _seconds(self) -> float:
        return 0.0 if self._call is None else time.time() - self._call.began

    def _note_interrupt(self) -> None:
        os.write(self._descriptor, f"interrupted after {self._seconds:.0f} s\n".encode())


def path_beside(database: Path) -> Path:
    """The journal's file."""
    return Path(f"{database.resolve()}.calls")


def last_words(path: Path) -> tuple[api.Call | None, str]:
    """The call that the process of this journal ended in, and the name of the fault, or ""."""
    _, call, ended = _state(path)
    return None if call is None else api.Call(call.what, call.images), ended


_Deaths = dict[Image, tuple[int, str]]


def _read(path: Path) -> tuple[_Deaths, Call | None, str | None]:
    """The deaths so far, that of the process which left the file among them, and a line of it."""
    deaths, call, ended = _state(path)
    if call is None:
        return deaths, None, None
    if not ended:
        return deaths, None, f"the last run ended without a word in {call}"
    if ended.startswith("interrupted"):
        return deaths, None, f"the last run was {ended} in {call}"
    for image in call.images:
        count, _ = deaths.get(image, (0, ""))
        certain = MARK in call.what and len(call.images) == 1
        deaths[image] = (count + (DEATHS if certain else 1), f"{ended} in {call.what}")
    return deaths, call, f"the last run died ({ended}) in {call}"


def _state(path: Path) -> tuple[_Deaths, Call | None, str]:
    """What the file says: earlier deaths, the call, and what ended it."""
    try:
        line, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n")
        state = json.loads(line)
        deaths = {(cell, name): (count, why) for cell, name, count, why in state["deaths"]}
        if state["call"] is None:
            return deaths, None, ""
        call = Call(**state["call"])
        images = [(cell, name) for cell, name in call.images]
    except (OSError, ValueError, TypeError, KeyError):
        return {}, None, ""
    ended = rest.partition("\n")[0].strip().removeprefix("Fatal Python error: ")
    return deaths, Call(call.what, images, call.began), ended
