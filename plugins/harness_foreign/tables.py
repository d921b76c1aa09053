"""Makes the checked-in tables anew from the installed libraries.

python -m harness_foreign.tables [PREFIX ...]
"""

from __future__ import annotations

import argparse
import importlib

from harness_foreign.entry import Table, in_order, write
from harness_foreign.library import Library

ADAPTERS = ("foolbox", "torchattacks", "art", "advlib", "torchattack", "autoattack")


def libraries() -> list[Library]:
    """All of them, installed or not."""
    found: list[Library] = [
        importlib.import_module(f"harness_{adapter}").LIBRARY for adapter in ADAPTERS
    ]
    return found


def made(library: Library) -> Table:
    """The table of the installed version.

    Raises:
        ImportError: it is not installed.
    """
    version = library.version()
    if version is None:
        raise ImportError(f"{library.distribution} is not installed")
    listing = importlib.import_module(f"{library.adapter}.listing")
    return Table(version, in_order(listing.entries()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefixes", nargs="*", help="of some of the libraries")
    wanted = parser.parse_args().prefixes
    for library in libraries():
        if not wanted or library.prefix in wanted:
            table = made(library)
            write(library.path, table)
            print(f"{library.prefix} {table.version}: {len(table.entries)} attacks")


if __name__ == "__main__":
    main()
