"""What many installed plugins cost: ``python benchmarks/many_plugins.py [--plugins 200]``.

Installs that many distributions, each with an attack and a command, in a folder of their own, and
times `harness --help`, which lists all the commands, and others that load plugins or do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = (("--help",), ("plugins", "list"), ("attacks", "list"), ("runs", "--help"))
PLUGIN = """
from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_attacks(register):
    register("{name}-attack", "{name}.attack:Attack", version="1", summary="An attack")


@hookimpl
def register_commands(register):
    register("{name}", "{name}.command:command", version="1", summary="A command")
"""


def install(folder: Path, count: int) -> None:
    """``count`` distributions in ``folder``, with the metadata that a wheel has."""
    for number in range(count):
        name = f"many{number:03}"
        package, info = folder / name, folder / f"{name}-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").write_text(PLUGIN.format(name=name))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}-1.0.dist-info/METADATA,,\n")
        (info / "entry_points.txt").write_text(f"[harness]\n{name} = {name}\n")


def seconds(arguments: tuple[str, ...], folder: Path | None, repeats: int) -> list[float]:
    """Wall times of `harness` with ``arguments``, after one run that compiles what it imports."""
    paths = [*([str(folder)] if folder else []), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "harness", *arguments]
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return times[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=10)
    asked = parser.parse_args()
    print("| command | plugins | median | slowest |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="harness-many-") as name:
        install(Path(name), asked.plugins)
        for arguments in COMMANDS:
            for folder, count in ((None, 0), (Path(name), asked.plugins)):
                times = seconds(arguments, folder, asked.repeats)
                shown = f"{statistics.median(times):.2f} s | {max(times):.2f} s"
                print(f"| `harness {' '.join(arguments)}` | {count} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
