"""Progress of things done one after the other: lines where no terminal is, a bar on one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

PROGRAM = """
from harness.display.counted import counted
with counted("drawing figure") as step:
    for number, name in enumerate(["one", "[red]two[/]\\x1b[31m"], start=1):
        step(number, 2, name)
"""


def test_lines_for_logs():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "drawing figure 1 of 2: one",
        r"drawing figure 2 of 2: [red]two[/]\u001b[31m",
    ]


def test_a_bar_on_a_terminal():
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=True, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(ours)
    text = shown.decode()
    assert "1/2" in text
    assert r"[red]two[/]\u001b[31m" in text
    assert "drawing figure 1 of 2" not in text
