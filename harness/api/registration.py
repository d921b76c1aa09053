"""What a plugin's hooks receive."""

from __future__ import annotations

from typing import Protocol


class Register(Protocol):
    """The callback through which a hook offers components."""

    def __call__(self, name: str, target: str, *, version: str, summary: str) -> None:
        """Offer one component.

        Args:
            name: unique among the components of its kind; a clash breaks the later plugin.
            target: ``"module:Object"``, imported on first use; of a registry ``"package:file"``.
            version: changes whenever results change; part of every cell key it takes part in.
            summary: one line for ``harness <kind>s list``.
        """
