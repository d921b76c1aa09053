"""The wanted files of an archive, one at a time; the archive is not trusted.

Members are streamed to a file of ours: no name, link or device of the archive ever reaches the
file system, and nothing is read that a checked header did not announce.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from harness.api import DataError

_GIB = 1 << 30
_HEADERS = 1 << 20
"""What long names and other headers between two members may take, in bytes."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive, or a single graph, may hold; bytes, unpacked.

    The study's largest graph is VGG-19 (575 MB); all 18 take about 3 GB.
    """

    member: int = 1 * _GIB
    total: int = 4 * _GIB
    members: int = 1_000


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of an archive.

    Attributes:
        choose: a member's path to the name of the file of ours that it is read into; None: it is
            not read.
        missing: the error of an archive that holds nothing of it.
    """

    choose: Callable[[PurePosixPath], str | None]
    missing: Callable[[], DataError]


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A frozen graph on disk, or another member of an archive.

    Attributes:
        name: its file name without folder; a graph's without ``.pb`` too.
        where: for messages: the file, or the archive and the member.
    """

    path: Path
    name: str
    where: str


def graphs(source: Path, folder: Path, limits: Limits = LIMITS) -> Iterator[GraphFile | DataError]:
    """The graphs of ``source``, a tar (plain or gzip) or one ``.pb``, and what was refused of it.

    An archive's graph lies in ``folder`` until the next one is asked for; see `members`.
    """
    if source.suffix == ".pb":
        try:
            yield _single(source, source.stat().st_size, limits)
        except OSError as error:
            yield _unreadable(source, error)
        return
    checkpoints: list[str] = []

    def choose(member: PurePosixPath) -> str | None:
        if member.suffix == ".index" or ".ckpt" in member.suffix:
            checkpoints.append(member.name)
        return "graph.pb" if member.suffix == ".pb" else None

    def missing() -> DataError:
        if not checkpoints:
            return DataError("holds no .pb file", where=str(source))
        return DataError(
            f"holds no .pb file, but a checkpoint ({checkpoints[0]})",
            where=str(source),
            hint="say which network it is with --network NAME",
        )

    for each in members(source, folder, Wanted(choose, missing), limits):
        if isinstance(each, GraphFile):
            each = replace(each, name=each.name.removesuffix(".pb"))
        yield each


def members(
    source: Path, folder: Path, wanted: Wanted, limits: Limits = LIMITS
) -> Iterator[GraphFile | DataError]:
    """The members of the tar ``source`` (plain or gzip) that are ``wanted``, in ``folder``.

    A member that is a link, a device or named outside the archive is refused and the rest read; an
    archive beyond ``limits``, or a damaged one, ends there.
    """
    try:
        with source.open("rb") as file:
            yield from _members(source, file, folder, wanted, limits)
    except OSError as error:
        yield _unreadable(source, error)


def _unreadable(source: Path, error: OSError) -> DataError:
    return DataError(f"cannot be read: {error.strerror or error}", where=str(source))


def _single(source: Path, size: int, limits: Limits) -> GraphFile | DataError:
    if size > limits.member:
        return _too_large(f"is {_amount(size)}", str(source), limits.member)
    return GraphFile(source, source.name.removesuffix(".pb"), str(source))


class _Rationed:
    """A stream that hands out what it was allowed to, so that no header's claim costs more."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, source: Path) -> None:
        self._stream, self._source = stream, source
        self._left = 0

    def allow(self, size: int) -> None:
        self._left = size

    def read(self, size: int) -> bytes:
        if self._left <= 0:
            raise DataError("holds more than its headers say", where=str(self._source))
        data = self._stream.read(size)
        self._left -= len(data)
        return data


def _members(
    source: Path, file: BinaryIO, folder: Path, wanted: Wanted, limits: Limits
) -> Iterator[GraphFile | DataError]:
    zipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream = _Rationed(gzip.GzipFile(fileobj=file) if zipped else file, source)
    try:
        stream.allow(_HEADERS)
        with closing(tarfile.open(fileobj=stream, mode="r|")) as tar:  # type: ignore[call-overload]
            yield from _read(tar, stream, source, folder, wanted, limits)
    except DataError as error:
        yield error
    # What the headers of a hostile archive make tarfile raise, beside its own errors.
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        yield DataError(
            f"is damaged or cut off: {str(error) or type(error).__name__}",
            where=str(source),
            hint="fetch it again",
        )


def _read(
    tar: tarfile.TarFile,
    stream: _Rationed,
    source: Path,
    folder: Path,
    wanted: Wanted,
    limits: Limits,
) -> Iterator[GraphFile | DataError]:
    total = count = found = 0
    while (member := tar.next()) is not None:
        where = f"{source}: {member.name!r}"
        count, total = count + 1, total + max(member.size, 0)
        if count > limits.members:
            raise DataError(f"holds more than {limits.members} members", where=str(source))
        if not 0 <= member.size <= limits.member:
            raise _too_large(f"claims {_amount(member.size)}", where, limits.member)
        if total > limits.total:
            raise _too_large(f"holds {_amount(total)} and more", str(source), limits.total)
        stream.allow(member.size + _HEADERS)
        refusal = _refusal(member)
        if refusal is not None:
            yield DataError(f"{refusal}: refused", where=where)
        elif (name := _chosen(member, wanted)) is not None:
            found += 1
            yield _extract(tar, member, folder / name, where)
    # tarfile takes a broken header, or none, for the end; a real one is zeros. Gzip's sum is there.
    zeros = 0
    while rest := tar.fileobj.read(_BLOCK):
        zeros += 0 if rest.strip(b"\0") else len(rest)
    if not zeros:
        raise DataError("is damaged or cut off", where=str(source), hint="fetch it again")
    if not found:
        raise wanted.missing()


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, where: str) -> GraphFile:
    content = tar.extractfile(member)
    assert content is not None
    with path.open("wb") as out:
        while block := content.read(_BLOCK):
            out.write(block)
    return GraphFile(path, PurePosixPath(member.name).name, where)


def _refusal(member: tarfile.TarInfo) -> str | None:
    """Why a member is not even looked at; None for plain files and folders within the archive."""
    name = member.name.replace("\\", "/")
    if ".." in name.split("/") or name.startswith("/") or PureWindowsPath(name).drive:
        return "leaves the archive's folder"
    if member.issym() or member.islnk():
        return f"is a link to {member.linkname!r}"
    if member.issparse():
        return "is a sparse file"
    return None if member.isreg() or member.isdir() else "is a device or a pipe"


def _chosen(member: tarfile.TarInfo, wanted: Wanted) -> str | None:
    path = PurePosixPath(member.name)
    return wanted.choose(path) if member.isreg() and not path.name.startswith(".") else None


def _too_large(what: str, where: str, limit: int) -> DataError:
    return DataError(f"{what}, more than the {_amount(limit)} allowed", where=where)


def _amount(size: int) -> str:
    return f"{size / _GIB:.3g} GiB" if size >= _GIB / 10 else f"{size:,} bytes"
