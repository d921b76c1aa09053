"""What Ray says, in pages, in a few words."""

from __future__ import annotations

import re

LONGEST = 200
"""Characters of what is quoted as it is."""

LOST, UNREACHABLE = "its host was lost", "its host cannot be reached"
WITH_HOST = {LOST, UNREACHABLE}
"""Ends that are nobody's own. Until Ray notices, it sends others to a host that was lost."""
WORDS = (
    (r"owner has died|owner.s node has (crashed|died)", "this host's part of the cluster is gone"),
    (r"node (has died|is dead|was dead|.*marked dead)|NodeDied|node failure", LOST),
    (r"low on memory|OutOfMemory", "its host ran out of memory"),
    (r"unavailable|network error|RpcError", UNREACHABLE),
    (r"worker process has died|unexpectedly exits|Worker exit type", "its process died"),
)
MISSING = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")


def ending(error: BaseException) -> str:
    """How a worker ended."""
    text = f"{type(error).__name__}: {error}"
    for pattern, words in WORDS:
        if re.search(pattern, text):
            return words
    return first_line(error)


def refusal(error: BaseException) -> str:
    """Why a worker could not even be made."""
    if missing := MISSING.search(str(error)):
        return f"module {missing[1]} is missing there; install what the driver's host has"
    return last_line(error)


def refusal_to_join(error: BaseException) -> str:
    """Why this process cannot be part of a cluster."""
    text = " ".join(str(error.__cause__ or error).split())
    return text if text.startswith("Version mismatch") else first_line(error.__cause__ or error)


def first_line(error: BaseException) -> str:
    """What an error of Ray's begins with."""
    return _lines(error)[0][:LONGEST]


def last_line(error: BaseException) -> str:
    """What an error of Ray's ends with: the cause, where it quotes a traceback."""
    return _lines(error)[-1][:LONGEST]


def _lines(error: BaseException) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [
        type(error).__name__
    ]
