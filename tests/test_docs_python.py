"""Python in the documentation is executed as it stands, from top to bottom of each page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "docs" / "python.md", ROOT / "docs" / "wrapping.md", ROOT / "README.md"]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""Two threads of a small network wait for each other, above all on a busy machine."""
GIVEN = """\
import torch
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
images = torch.rand(16, 3, 8, 8)
labels = model(images).argmax(1)
"""
"""What a reader of the README has: a model, images and labels."""


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path):
    program = "\n".join([GIVEN, *blocks(page)])
    (tmp_path / "page.py").write_text(program)
    command = [sys.executable, "page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    assert blocks(page)


def test_saved_examples_are_read_as_documented(kept_run, tmp_path):
    page = ROOT / "docs" / "database.md"
    program = "\n".join(blocks(page))
    assert "safe_open" in program
    assert "torch" not in program
    (tmp_path / "page.py").write_text(f"import sys\nsys.modules['torch'] = None\n{program}")
    scripts = Path(sys.executable).parent
    environment = ONE_THREAD | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "page.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_the_tour_runs():
    tour = ROOT / "examples" / "from_python.py"
    done = subprocess.run([sys.executable, tour], capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    assert "images are broken" in done.stdout
