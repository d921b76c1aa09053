"""One file over HTTP: resumed where it broke off, checked, and in place only when it is whole."""

from __future__ import annotations

import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from harness.api import MissingError

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from harness.api import Progress

_CHUNK = 1 << 20
_SECONDS = 30
_RANGE_NOT_SATISFIABLE = 416


def offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids downloads; it is taken to mean every server."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def download(url: str, path: Path, *, sha256: str, progress: Progress) -> Path:
    """The file behind ``url`` at ``path``, whose SHA-256 begins with ``sha256`` (hex digits).

    What has come so far lies in ``<path>.part``: a broken connection is taken up again as long as
    each try makes progress, and the next call resumes there. Of several processes one
    downloads, the others wait and find the file.

    Raises:
        MissingError: the server cannot be reached, breaks off, or has another file.
    """
    from filelock import FileLock

    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if not path.is_file():
                _complete(url, part, path, sha256, progress)
                os.replace(part, path)  # noqa: PTH105
    except (OSError, HTTPException) as error:
        raise MissingError(
            f"cannot be downloaded: {_cause(error)}",
            where=url,
            hint=f"the same command resumes where it stopped; or put the file at {path}",
        ) from error
    return path


def matches(path: Path, sha256: str) -> bool:
    """Whether the SHA-256 of ``path`` begins with ``sha256``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(sha256)


def _complete(url: str, part: Path, path: Path, sha256: str, progress: Progress) -> None:
    """Bring ``part`` to its full length; one that turns out wrong is fetched anew, once."""
    resumed = _size(part) > 0
    _fill(url, part, progress)
    if resumed and not matches(part, sha256):
        part.unlink()
        _fill(url, part, progress)
    if not matches(part, sha256):
        part.unlink()
        raise MissingError(
            f"what came has another SHA-256 than {sha256}…",
            where=url,
            hint=f"try again later, or put the right file at {path}",
        )


def _fill(url: str, part: Path, progress: Progress) -> None:
    """Append to ``part`` until it is whole. Raises what the last fruitless try raised."""
    while True:
        before = _size(part)
        try:
            if _append(url, part, progress):
                return
            raise ConnectionError("the connection broke off")
        except HTTPError:
            raise  # the server has spoken
        except (OSError, HTTPException):
            if _size(part) <= before:
                raise


def _append(url: str, part: Path, progress: Progress) -> bool:
    """One request for what ``part`` lacks; whether it is whole now."""
    have = _size(part)
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urlopen(request, timeout=_SECONDS)
    except HTTPError as error:
        if have and error.code == _RANGE_NOT_SATISFIABLE:
            return True  # nothing is missing; the hash decides whether that is so
        raise
    with response, part.open("ab") as file:
        have, total = _extent(response, have)
        file.truncate(have)
        while block := response.read(_CHUNK):
            file.write(block)
            have += len(block)
            progress(have, total)
    return total is None or have == total


def _extent(response: HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the body begins in the file, and the file's size if the server gives it."""
    length = response.headers.get("Content-Length")
    if response.status == 206:  # partial content
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            raise ConnectionError("the server sends another part than it was asked for")
        return have, None if found[2] == "*" else int(found[2])
    return 0, None if length is None else int(length)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _cause(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
