"""How a run ended: what its summary is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api import RunStarted
    from harness.execute.run import Summary


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, or that it did not yet: what its summary is made of.

    Attributes:
        status: ``running``, ``done``, ``failed`` or ``interrupted``.
        error: the line that broke it off.
        started: None: it was not planned.
        summary: None: it did not come to its end.
        began: UTC; ``seconds`` since then.
    """

    status: str
    exit_code: int | None
    error: str | None
    started: RunStarted | None
    summary: Summary | None
    began: str
    seconds: float
