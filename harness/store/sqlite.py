"""What the store takes from sqlite-utils, without pandas."""

from __future__ import annotations

import sys

# sqlite-utils imports pandas wherever that is installed, and half a second with it.
_hidden = "pandas" not in sys.modules
if _hidden:
    sys.modules["pandas"] = None  # type: ignore[assignment]
try:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations
finally:
    if _hidden:
        del sys.modules["pandas"]

__all__ = ("Database", "Migrations")
