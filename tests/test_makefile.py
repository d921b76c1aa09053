"""`make run`: what is installed, with CUDA and without, by a pip that only takes notes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = f"""#!/bin/sh
echo "$*" >> "$NOTES"
case "$*" in
  -c*) exec {sys.executable} "$@" ;;
  *--dry-run*) exit "$OFFERED" ;;
  */dev/stdin*) cat >> "$NOTES" ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """Runs `make run`; what it printed, and the arguments and inputs of Python, line by line."""
    for name, text in (("python", PYTHON), ("harness", "#!/bin/sh\n")):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def make(*arguments: str, offered: bool = True):
        notes = tmp_path / "notes"
        environment = {
            "PATH": "/usr/bin:/bin",
            "NOTES": str(notes),
            "OFFERED": str(int(not offered)),
        }
        done = subprocess.run(
            ["make", "-C", ROOT, "run", f"VENV={tmp_path}", *arguments],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        return done, notes.read_text().splitlines()

    return make


def test_everything_by_default(make):
    done, notes = make()
    assert done.returncode == 0, done.stderr
    (install,) = notes
    assert install.endswith("-c constraints.txt -e .")


def test_no_cuda_on_request(make):
    done, notes = make("CPU=1", "CPU_INDEX=https://small.example")
    assert done.returncode == 0, done.stderr
    assert any(
        line.endswith("--index-url https://small.example torch torchvision") for line in notes
    )
    assert "onnxruntime" in notes
    assert "timm>=1.0.20" in notes
    assert not [line for line in notes if line.startswith("onnxruntime-gpu")]
    assert notes[-1].endswith("--no-deps -e .")


def test_an_index_without_them_is_one_line(make):
    done, notes = make("CPU=1", "CPU_INDEX=https://empty.example", offered=False)
    assert done.returncode == 2
    ours = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert len(ours) == 1
    assert "https://empty.example does not offer torch torchvision" in ours[0]
    assert "CPU_INDEX=URL" in ours[0]
    assert [line for line in notes if "--dry-run" in line] == notes
