"""Where a source has its checkpoint: in an archive of TF-Slim's, or beside others on disk.

A checkpoint is one file (V1) or an index and its shards (V2). Of a file that was named, or of an
archive, nothing is believed but what its content shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.api import DataError
from harness_su2018.importing.archive import GraphFile, Limits, Wanted, members

LIMITS = Limits(member=2 << 30)
"""NASNet's checkpoint has optimiser slots: larger than any graph."""

_TABLE = bytes.fromhex("57fb808b247547db")
"""Ends a sorted table of strings, which a V1 checkpoint is, and the index of a V2 one."""
_PIECE = re.compile(
    r"(?P<stem>.+?)(?P<ending>\.index|\.meta|\.data-(?P<shard>\d{5})-of-(?P<of>\d{5}))"
)
_SINGLE = re.compile(r".+\.ckpt(-\d+)?")
_HDF5 = bytes.fromhex("894844460d0a1a0a")
"""Begins a file of Keras's weights."""
_AGAIN = "fetch it again"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        prefix: what TensorFlow calls it: the file, or the index without ``.index``.
        version: ``V1`` or ``V2``; ``h5`` for Keras's weights.
        where: for messages.
        graphs: frozen graphs that lie in the same archive.
    """

    prefix: Path
    version: str
    where: str
    graphs: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """In words."""
        return "Keras's h5" if self.version == "h5" else f"{self.version} checkpoint"


def looks_like_one(source: Path) -> bool:
    """Whether ``source``, by its name or its end, is a checkpoint outside an archive."""
    named = _PIECE.fullmatch(source.name) or _SINGLE.fullmatch(source.name)
    return bool(named) or _is_table(source) or _is_hdf5(source)


def on_disk(source: Path) -> Checkpoint:
    """The checkpoint that ``source`` is, or is a piece of.

    Raises:
        DataError: it is none, or pieces are missing.
    """
    piece = _PIECE.fullmatch(source.name)
    if _is_hdf5(source):
        return Checkpoint(source, "h5", str(source))
    if piece is None and _is_table(source):
        return Checkpoint(source, "V1", str(source))
    if piece is None:
        raise DataError("is no checkpoint, or cut off", where=str(source), hint=_AGAIN)
    prefix = source.with_name(piece["stem"])
    return _whole(prefix, prefix, str(source))


def in_archive(source: Path, folder: Path) -> Checkpoint | None:
    """The checkpoint in the tar ``source``, unpacked into ``folder``; None where it holds none.

    Raises:
        DataError: it holds several, or pieces are missing; a member was refused, or the archive is
            damaged or too large.
    """
    stems: set[str] = set()
    graphs: list[str] = []

    def choose(member: PurePosixPath) -> str | None:
        if member.suffix == ".pb":
            graphs.append(member.name)
        piece = _PIECE.fullmatch(member.name)
        if piece is None and not _SINGLE.fullmatch(member.name):
            return None
        if piece is not None and piece["ending"] == ".meta":
            return None
        stems.add(str(member.parent / (piece["stem"] if piece else member.name)))
        return f"model{piece['ending'] if piece else ''}"

    nothing = DataError("holds no checkpoint", where=str(source))
    for each in members(source, folder, Wanted(choose, lambda: nothing), LIMITS):
        if each is nothing:
            return None
        if not isinstance(each, GraphFile):
            raise each
    if len(stems) > 1:
        raise DataError(
            f"holds {len(stems)} checkpoints: {', '.join(sorted(stems)[:3])}",
            where=str(source),
            hint="unpack it and name one",
        )
    where, prefix = f"{source}: {next(iter(stems))!r}", folder / "model"
    if prefix.exists():
        if not _is_table(prefix):
            raise DataError("is no checkpoint, or cut off", where=where, hint=_AGAIN)
        return Checkpoint(prefix, "V1", where, tuple(graphs))
    found = _whole(prefix, Path(next(iter(stems))), where)
    return Checkpoint(prefix, found.version, where, tuple(graphs))


def _whole(prefix: Path, called: Path, where: str) -> Checkpoint:
    """The V2 checkpoint at ``prefix``, whose pieces are ``called`` so; every one must be there."""
    found = {path.name.removeprefix(prefix.name) for path in prefix.parent.glob(f"{prefix.name}.*")}
    shards = [match for each in found if (match := _PIECE.fullmatch(f"x{each}")) and match["shard"]]
    total = int(shards[0]["of"]) if shards else 1
    expected = [".index", *(f".data-{i:05}-of-{total:05}" for i in range(total))]
    missing = [f"{called.name}{each}" for each in expected if each not in found]
    if missing:
        raise DataError(
            f"lacks {missing[0]}, part of the checkpoint", where=where, hint="fetch the whole of it"
        )
    if not _is_table(prefix.with_name(f"{prefix.name}.index")):
        raise DataError("has an index that is none, or cut off", where=where, hint=_AGAIN)
    return Checkpoint(prefix, "V2", where)


def _is_table(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, 2) - len(_TABLE), 0))
            return file.read() == _TABLE
    except OSError:
        return False


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except OSError:
        return False
