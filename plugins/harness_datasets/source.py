"""Where an image's bytes are: in their own file, or inside a shard."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from harness.api import DataError


class Source(ABC):
    """The bytes of one image."""

    @property
    @abstractmethod
    def where(self) -> str:
        """The place, for messages."""

    @abstractmethod
    def open(self) -> io.BufferedReader | io.BytesIO:
        """The bytes as a file; threads do so side by side.

        Raises:
            OSError, DataError: they cannot be read.
        """

    def digest(self) -> str:
        """SHA-256 of the bytes.

        Raises:
            DataError: they cannot be read.
        """
        try:
            with self.open() as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            cause = f"cannot be read: {error.strerror or error}"
            raise DataError(cause, where=self.where) from error


@dataclass(frozen=True, slots=True)
class FileSource(Source):
    """A file of its own."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    def open(self) -> io.BufferedReader | io.BytesIO:
        return self.path.open("rb")


@dataclass(frozen=True, slots=True)
class SpanSource(Source):
    """``size`` bytes from ``offset`` on inside a file, where ``name`` lies."""

    path: Path
    name: str
    offset: int
    size: int

    @property
    def where(self) -> str:
        return f"{self.path}: {self.name}"

    def open(self) -> io.BufferedReader | io.BytesIO:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise OSError("the shard ends too early")
        return io.BytesIO(content)


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled image: its id within the dataset, its 0-based class, its bytes."""

    id: str
    label: int
    source: Source
