"""The process's first and last lines: the command ``harness`` and ``python -m harness``."""

from __future__ import annotations

import os
from typing import NoReturn

from harness import signals, terminal


def run() -> NoReturn:
    """The command line; signals are answered before anything heavier is imported."""
    while (unused := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # who started us closed a standard stream: no other file may take its place
    os.close(unused)
    signals.begin()
    terminal.begin()
    code: object = 1
    try:
        from harness.cli.main import main

        main()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        if not signals.asked():
            raise
        code = signals.EXIT
    signals.leave(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    run()
