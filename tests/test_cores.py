"""The cores that affinity and control groups leave to a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cores import usable_cores


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(64), raising=False)


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("own", "around", "cores"),
    [
        ("max 100000", "max 100000", 64),
        ("200000 100000", "max 100000", 2),
        ("max 100000", "350000 100000", 4),
        ("50000 100000", "350000 100000", 1),
        ("no number", "", 64),
    ],
)
def test_quotas_of_version_two(tmp_path: Path, own: str, around: str, cores: int) -> None:
    group(tmp_path / "fs" / "a", cpu__max=around)
    group(tmp_path / "fs" / "a" / "b", cpu__max=own)
    (tmp_path / "ours").write_text("0::/a/b\n")
    assert usable_cores(tmp_path / "fs", tmp_path / "ours") == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 64), ("150000", 2)])
def test_quotas_of_version_one(tmp_path: Path, quota: str, cores: int) -> None:
    files = {"cpu__cfs_quota_us": quota, "cpu__cfs_period_us": "100000"}
    group(tmp_path / "fs" / "cpu,cpuacct" / "a", **files)
    (tmp_path / "ours").write_text("7:pids:/x\n4:cpu,cpuacct:/a\n0::/\n")
    assert usable_cores(tmp_path / "fs", tmp_path / "ours") == cores
    group(tmp_path / "mounted" / "cpu", **files)  # as inside a container
    assert usable_cores(tmp_path / "mounted", tmp_path / "ours") == cores
    assert usable_cores(tmp_path / "none", tmp_path / "none") == 64


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_mask_counts() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from harness.cores import usable_cores; print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
