"""Files that `merge` copies: announced before they are there, so that a kill leaves none behind."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.store.artifacts import folder_of, own_file, sync
from harness.store.database import file_errors, path_of

if TYPE_CHECKING:
    from sqlite_utils import Database


def announce(folder: Path, names: Sequence[str]) -> None:
    """Say, on the disk when it returns, that these files of the artifact folder will be made."""
    place = _place(folder)
    with file_errors(place):
        folder.mkdir(parents=True, exist_ok=True)
        with place.open("w", encoding="utf-8") as file:
            json.dump(list(names), file)
            file.flush()
            os.fsync(file.fileno())
        sync(folder)


def settle(db: Database) -> None:
    """Remove what was announced and no row names: its merge did not end."""
    folder = folder_of(path_of(db))
    place = _place(folder)
    with file_errors(place):
        try:
            names = json.loads(place.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError:  # cut off, so nothing was copied yet
            names = []
        named = {name for (name,) in db.execute("SELECT path FROM artifacts")}
        for name in names:
            file = own_file(folder, name)
            file.with_suffix(".partial").unlink(missing_ok=True)
            if name not in named:
                file.unlink(missing_ok=True)
        place.unlink()


def done(folder: Path) -> None:
    """All that was announced is named by rows."""
    with suppress(OSError):  # `settle` finds nothing to do then
        _place(folder).unlink()


def _place(folder: Path) -> Path:
    return folder / "incoming.json"
