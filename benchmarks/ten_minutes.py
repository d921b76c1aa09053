"""The tutorial as a newcomer does it: an empty folder, a fresh environment, every command and edit.

    python benchmarks/ten_minutes.py [--keep FOLDER]

What docs/tutorial.md says is done in its order: its shell commands are run, its Python is written
to the file that its first line names. Before it, the harness is built from this checkout and
installed with its dependencies from the package index. Printed are the seconds of each command,
their number, and their sum. A command that fails ends it: exit status 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import load_line

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"


@dataclass(frozen=True, slots=True)
class Step:
    """A shell command, or a file's text.

    Attributes:
        path: of the file; None: ``text`` is a command.
    """

    text: str
    path: str | None = None


def steps(page: Path = TUTORIAL) -> Iterator[Step]:
    """What the page has its reader do."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", page.read_text(), re.M | re.S)
    for language, text in blocks:
        if language == "sh":
            yield from map(Step, text.splitlines())
        else:
            first, _, rest = text.partition("\n")
            yield Step(rest, first.removeprefix("# "))


Run = Callable[[str, Path], None]
"""Runs a command in a folder; raises where it fails."""


def follow(folder: Path, run: Run, said: Callable[[str, float], None]) -> int:
    """Do all steps, beginning in ``folder``; how many commands there were.

    ``said`` gets each command and its seconds.
    """
    count = 0
    for step in steps():
        if step.path is not None:
            (folder / step.path).write_text(step.text)
            continue
        count += 1
        if step.text.startswith("cd "):
            folder = folder / step.text.removeprefix("cd ")
            continue
        begun = time.monotonic()
        run(step.text, folder)
        said(step.text, time.monotonic() - begun)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="where to work, and leave everything")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ten-minutes-") as temporary:
        work = asked.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        try:
            return _do(work)
        except subprocess.CalledProcessError as error:
            print(error.stdout or "", error.stderr or "", f"failed: {error.cmd}", file=sys.stderr)
            return 1


def _do(work: Path) -> int:
    print(load_line())
    programs = work / "venv" / "bin"
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(work / "venv"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times: list[float] = []

    def run(command: str, folder: Path) -> None:
        subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )

    def said(command: str, seconds: float) -> None:
        times.append(seconds)
        print(f"{seconds:6.1f} s  {command}", flush=True)

    begun = time.monotonic()
    constraints = shlex.quote(str(ROOT / "constraints.txt"))
    run(f"{shlex.quote(sys.executable)} -m venv venv", work)
    run(f"pip install --quiet -c {constraints} {shlex.quote(str(ROOT))}", work)
    print(f"{time.monotonic() - begun:6.1f} s  the harness and its dependencies", flush=True)
    home = work / "empty"
    home.mkdir()
    count = follow(home, run, said)
    print(f"{count} commands, {sum(times):.0f} s of waiting, nothing failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
