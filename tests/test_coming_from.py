"""Each library's code on "Coming from another library" runs, and so does ours beside it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "coming-from.md"
GIVEN = """\
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10)).eval()
images = torch.rand(16, 3, 8, 8)
labels = model(images).argmax(1)
"""


def sections() -> dict[str, list[str]]:
    """The Python of each library's section: theirs, then ours."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.M)
    found = {
        title: re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {title: blocks for title, blocks in found.items() if blocks}


def test_every_library_of_attacks_has_its_section():
    assert len(sections()) == 3
    assert all(len(blocks) == 2 for blocks in sections().values())


@pytest.mark.parametrize("title", sections())
def test_both_sides_run(title, tmp_path):
    theirs, ours = sections()[title]
    needed = theirs.removeprefix("# needs: ").splitlines()[0]
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    script = tmp_path / "sides.py"
    script.write_text("\n".join((GIVEN, theirs, ours)))
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
