"""Where datasets are: here, and on the hosts of workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError

PLACE = "NAME=PATH, or NAME@HOST=PATH for a worker's host"


@dataclass(frozen=True, slots=True)
class HostPath:
    """Where hosts have a dataset; ``host``: a glob on their names, with and without domain, and
    addresses."""

    host: str
    path: Path


def split_places(
    places: Iterable[tuple[str, Path]],
) -> tuple[dict[str, Path], dict[str, tuple[HostPath, ...]]]:
    """`Request.data` and `Request.data_on` of paths by NAME or NAME@HOST.

    Raises:
        ConfigError: NAME or HOST is empty, or a host's path is relative.
    """
    data: dict[str, Path] = {}
    data_on: dict[str, tuple[HostPath, ...]] = {}
    for place, path in places:
        name, at, host = place.partition("@")
        if not name or (at and not host):
            raise ConfigError(
                f"{place!r} names no {'host' if name else 'dataset'}",
                where="--data",
                hint=f"say {PLACE}",
            )
        if at and not path.is_absolute():
            raise ConfigError(
                f"{place!r}: {path} is relative", where="--data", hint="give the path from / on"
            )
        if at:
            data_on[name] = (*data_on.get(name, ()), HostPath(host, path))
        else:
            data[name] = path
    return data, data_on
