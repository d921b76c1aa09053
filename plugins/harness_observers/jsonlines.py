"""Events in a file of JSON lines, as ``harness run --progress json`` prints them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import Field, PrivateAttr

from harness.api import ConfigError, Event, Observer


class JsonLines(Observer):
    """One object per event: ``time`` (UTC), ``event`` (its name) and its fields.

    Each line is in the file as soon as the event is told.
    """

    path: Path = Field(description="file to append to; made where there is none")

    _file: TextIO = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        try:
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot be written ({error.strerror})",
                where=str(self.path),
                hint="name another file",
            ) from error

    def observe(self, event: Event) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._file.write(json.dumps({"time": now, **event.record()}) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
