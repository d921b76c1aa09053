"""The tutorial, from an empty folder to an installed wheel; offline."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_SPEC = importlib.util.spec_from_file_location("ten_minutes", ROOT / "benchmarks/ten_minutes.py")


def test_every_command_of_the_tutorial_works(new_environment, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    ten_minutes = importlib.util.module_from_spec(_SPEC)
    sys.modules["ten_minutes"] = ten_minutes
    _SPEC.loader.exec_module(ten_minutes)
    environment = new_environment("tutorial")
    programs = environment.folder / "bin"
    programs.mkdir()
    for name, module in (("harness", "harness"), ("pytest", "pytest"), ("python", None)):
        command = f"{environment.python} -m {module}" if module else str(environment.python)
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    variables = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def run(command: str, folder: Path) -> None:
        if command.startswith("pip install"):
            _install(environment, command, folder)
            return
        if command == "python -m build":
            command += " --no-isolation"
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        outputs[command.split()[1] if command.startswith("harness") else command] = done.stdout

    outputs: dict[str, str] = {}
    commands = ten_minutes.follow(environment.folder, run, lambda command, seconds: None)
    assert commands > 10
    assert "acme-momentum" in outputs["leaderboard"]
    assert "acme-momentum" in outputs["plugins"]


def _install(environment, command: str, folder: Path) -> None:
    """As pip would, without an index: the dependencies are here."""
    what = command.removeprefix("pip install ")
    if what == "build":
        return
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
    pip += ["--no-build-isolation", "--upgrade", "--target", str(environment.site)]
    subprocess.run(
        [*pip, what.removeprefix("-e ").strip("'").split("[")[0]], check=True, cwd=folder
    )
