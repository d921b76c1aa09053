"""Fresh environments for wheels: each sees the main one's packages; offline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


class Environment:
    """A fresh venv that sees the main one's packages, and wheels of its own; offline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
        self.python = folder / "venv" / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = folder / "venv" / "lib" / version / "site-packages"
        main = [path for path in sys.path if path.endswith("site-packages")]
        # `site.addsitedir` also reads the main environment's own .pth files: the editable install.
        lines = [f"import site; site.addsitedir({path!r})" for path in main]
        (self.site / "_main.pth").write_text("\n".join(lines) + "\n")

    def install(self, source: Path) -> None:
        wheels = self.folder / "wheels" / source.name
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels]
        run([*build, source])
        (wheel,) = wheels.glob("*.whl")
        pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
        run([*pip, "--target", self.site, wheel])

    def harness(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", "harness", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
        )


def run(command) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="session")
def new_environment(tmp_path_factory):
    """Makes an `Environment` in a folder of the given name."""
    return lambda name: Environment(tmp_path_factory.mktemp(name))
