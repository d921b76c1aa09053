"""The code of third parties' plugins: whether it is still what stored results were computed with.

A plugin says by its version that results differ. Who edits it and forgets that is told.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING

from harness.identity import canonical_json
from harness.plugins import Catalog, Kind, Registration, is_bundled
from harness.resolve.composites import names_in
from harness.store.read.code import stored_code

if TYPE_CHECKING:
    from harness.planning import Cell

SUFFIXES = {".py", ".so", ".pyd"}
"""Of the files that a package's code is in."""
HINT = "`--fresh` recomputes them, or give it a new version"


def codes_of(cells: Collection[Cell], catalog: Catalog) -> dict[str, str]:
    """What an attempt at each of ``cells`` stores of its plugins' code, by the cell's key.

    Cells of bundled plugins alone have none: those say by their versions what has changed.
    """
    found: dict[str, str] = {}
    for cell in cells:
        hashes = {
            f"{each.kind} {each.name}": digest
            for each in _offers(cell, catalog)
            if (digest := code_of(each)) is not None
        }
        if hashes:
            found[cell.key] = canonical_json(hashes)
    return found


def changed_code(
    connection: Connection, catalog: Catalog, cells: Collection[str] | None = None
) -> list[str]:
    """A line for each component whose code is not what stored results were computed with.

    Args:
        cells: the keys of the cells that are asked for; None: all.
    """
    lines = []
    for component, by_hash in sorted(stored_code(connection, cells).items()):
        kind, _, name = component.partition(" ")
        known = kind in list(Kind) and catalog.find(Kind(kind), name)
        now = code_of(known) if known else None
        others = {digest: keys for digest, keys in by_hash.items() if digest != now}
        if now is not None and others:
            count = len(set[str]().union(*others.values()))
            said = "1 cell" if count == 1 else f"{count} cells"
            lines.append(f"code of {name} changed since results of {said}; {HINT}")
        elif len(by_hash) > 1:
            lines.append(f"results of {name} are of {len(by_hash)} states of its code; {HINT}")
    return lines


def code_of(registration: Registration) -> str | None:
    """A hash of a component's top-level package; None: it is bundled, or nowhere to be found."""
    if is_bundled(registration.origin):
        return None
    stamps = tuple(_stamps(registration.target.partition(".")[0].partition(":")[0]))
    return _hashed(stamps) if stamps else None


_Stamp = tuple[str, str, int, int]
"""A file's name within the package, its path, its time of change and its size."""


@cache
def _hashed(stamps: tuple[_Stamp, ...]) -> str:
    """Read again only where a time or a size differs."""
    digest = hashlib.sha256()
    for name, path, _, _ in stamps:
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def _stamps(package: str) -> Iterator[_Stamp]:
    """The package's files; nothing of it is imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    roots = [Path(each) for each in spec.submodule_search_locations or ()]
    files = [(root, path) for root in roots for path in sorted(root.rglob("*"))]
    if not roots and spec.origin is not None and (single := Path(spec.origin)).is_file():
        files = [(single.parent, single)]
    for root, path in files:
        if path.suffix in SUFFIXES and path.is_file():
            stat = path.stat()
            name = path.relative_to(root).as_posix()
            yield name, str(path), stat.st_mtime_ns, stat.st_size


def _offers(cell: Cell, catalog: Catalog) -> Iterator[Registration]:
    """What plugins offer for the cell: its loader, its reader, its attack or measurement."""
    wanted = [
        (Kind.MODEL_LOADER, cell.model.identity["loader"]["name"]),
        (Kind.DATASET, cell.dataset.identity["reader"]["name"]),
    ]
    if cell.task is not None:
        kind = Kind.ATTACK if cell.attack else Kind.MEASUREMENT
        wanted += [(kind, name) for name in names_in(cell.task.component.identity)]
    for kind, name in wanted:
        if (found := catalog.find(kind, name)) is not None:
            yield found
