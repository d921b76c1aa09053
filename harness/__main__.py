"""The process's first and last lines: the command ``harness`` and ``python -m harness``."""

from __future__ import annotations

from typing import NoReturn

from harness import signals


def run() -> NoReturn:
    """The command line; signals are answered before anything heavier is imported."""
    signals.begin()
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
