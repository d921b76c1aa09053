"""This host, as the user may call it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from harness.resolve.places import HostPath

_ANYWHERE = ("192.0.2.1", 9)  # an address of no host (RFC 5737): nothing is sent


def host_name() -> str:
    return socket.gethostname()


def places_here(places: Sequence[HostPath]) -> list[Path]:
    """The paths of ``places`` that are meant for this host, the last one first."""
    if not places:
        return []
    names = {host_name().lower(), host_name().lower().partition(".")[0], _address()}
    return [
        place.path
        for place in reversed(places)
        if any(fnmatchcase(name, place.host.lower()) for name in names)
    ]


def _address() -> str:
    """The address from which this host reaches others; its own name if it reaches none."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(_ANYWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return host_name().lower()
