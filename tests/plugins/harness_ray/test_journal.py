"""What a worker was doing when it died."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.api import Call
from harness_ray.journal import last_words

PROGRAM = """\
import ctypes, os, sys
from pathlib import Path
from harness_ray.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.call("a long call that is shortened afterwards", [("cell", "1"), ("cell", "2")])
journal.call("attack", [("cell", "3")])
{end}
"""


@pytest.mark.parametrize(
    ("end", "call", "word"),
    [
        ("os._exit(3)", True, "os._exit(3)"),
        ("ctypes.string_at(0)", True, "Segmentation fault"),
        ("os.abort()", True, "Aborted"),
        ("journal.end('SystemExit')", True, "SystemExit"),
        ("os.kill(os.getpid(), 9)", False, ""),  # somebody else
        ("journal.idle(); os._exit(3)", False, "os._exit(3)"),
    ],
)
def test_last_words(tmp_path, end, call, word):
    subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end), str(tmp_path)], stderr=subprocess.DEVNULL
    )
    (path,) = Path(tmp_path).iterdir()
    assert last_words(path) == (Call("attack", [("cell", "3")]) if call else None, word)
    assert not path.exists()
    assert last_words(path) == (None, "")
