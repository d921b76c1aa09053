"""Progress of a run on stderr: live on a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import os
import sys
from typing import Literal

from harness.display.base import Display

DisplayKind = Literal["auto", "rich", "plain", "json"]

__all__ = ["Display", "DisplayKind", "make_display"]


def make_display(kind: DisplayKind = "auto") -> Display:
    """A display of ``kind``; ``auto`` is live where stderr is a terminal that can, else plain."""
    if kind == "auto":
        live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        kind = "rich" if live else "plain"
    if kind == "rich":
        from harness.display.live import LiveDisplay

        return LiveDisplay()
    if kind == "json":
        from harness.display.jsonlines import JsonDisplay

        return JsonDisplay()
    from harness.display.plain import PlainDisplay

    return PlainDisplay()
