"""torchattacks' attacks by name, such as ``torchattacks:MIFGSM``."""

from __future__ import annotations

from harness.api import Register, hookimpl
from harness_foreign.library import Library

HARNESS_API = 1

LIBRARY = Library("torchattacks", "torchattacks", "torchattacks", __name__)
HARNESS_ABSENT = LIBRARY.absent()


@hookimpl
def register_attacks(register: Register) -> None:
    LIBRARY.offer(register)
