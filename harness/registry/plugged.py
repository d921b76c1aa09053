"""Registries that plugins ship, as files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.contained import cause, contained
from harness.errors import ConfigError
from harness.plugins import Kind, Registration, installed


def origin_of(file: Path, builtin: Path) -> str:
    """Whose registry ``file`` is: built in, a plugin's, or the path that a user named."""
    if file == builtin:
        return "built in"
    for offer in installed().all(Kind.REGISTRY):
        try:
            if file_of(offer) == file:
                return offer.who
        except ConfigError:
            continue  # a broken one has no entries
    return str(file)


def file_of(offer: Registration) -> Path:
    """The file that a plugin's registration names: ``package:folder/file.yaml``.

    A package is not imported for it, but those that it lies in.

    Raises:
        ConfigError: there is no such package, or no such file in it.
    """
    package, _, name = offer.target.partition(":")
    try:
        with contained("it"):
            spec = find_spec(package)
    except Exception as error:
        raise ConfigError(cause(f"package {package}", error)) from error
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"there is no package {package!r}")
    for folder in spec.submodule_search_locations:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise ConfigError(f"package {package!r} has no file {name!r}")
