"""frontier-harness: accuracy against adversarial robustness, measured the same way for everyone.

The library face: every name below is imported when it is first used, so that ``import harness``
loads neither torch nor anything else that is heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.version import __version__ as __version__

if TYPE_CHECKING:
    from harness.library.attacking import attack as attack
    from harness.library.outcomes import AttackResult as AttackResult
    from harness.library.results import StoredResults as StoredResults
    from harness.library.results import StoredSuite as StoredSuite
    from harness.library.results import results as results
    from harness.library.running import plan as plan
    from harness.library.running import run as run
    from harness.library.tables import Table as Table

_HOMES = {
    "AttackResult": "outcomes",
    "StoredResults": "results",
    "StoredSuite": "results",
    "Table": "tables",
    "attack": "attacking",
    "plan": "running",
    "results": "results",
    "run": "running",
}
"""The public names, and the files of `harness.library` that hold them."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(f"harness.library.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
