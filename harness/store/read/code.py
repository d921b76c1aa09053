"""The code of plugins that stored results were computed with."""

from __future__ import annotations

import json
from collections.abc import Collection
from sqlite3 import Connection

_STORED = """
SELECT DISTINCT cells.key, attempts.code FROM attempts JOIN cells ON cells.id = attempts.cell_id
WHERE attempts.code IS NOT NULL AND (
  EXISTS (SELECT 1 FROM outcomes WHERE cell_id = cells.id AND attempt_id = attempts.id)
  OR EXISTS (SELECT 1 FROM measured WHERE cell_id = cells.id AND attempt_id = attempts.id)
  OR EXISTS (SELECT 1 FROM clean WHERE cell_id = cells.id AND attempt_id = attempts.id))
"""


def stored_code(
    connection: Connection, cells: Collection[str] | None = None
) -> dict[str, dict[str, set[str]]]:
    """The cells whose results each component's code made, by component and by hash.

    Args:
        cells: keys of those that are asked for; None: all. One of an earlier version, or of bundled
            plugins alone, has none.
    """
    found: dict[str, dict[str, set[str]]] = {}
    for key, code in connection.execute(_STORED):
        if cells is None or key in cells:
            for component, digest in json.loads(code).items():
                found.setdefault(component, {}).setdefault(digest, set()).add(key)
    return found
