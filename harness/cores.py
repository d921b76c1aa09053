"""How many cores this process may use: fewer than there are under taskset or in a container."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OURS = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, ours: Path = OURS) -> int:
    """The cores of the affinity mask, or as many as the control group's quota of time is worth."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min([cores or 1, *_quotas(cgroups, ours)])))


def _quotas(cgroups: Path, ours: Path) -> list[float]:
    """Those of the group and of all around it; both versions of the interface."""
    found = []
    for folder in _folders(cgroups, ours):
        # One that is absent, or says "max" or -1, sets no limit.
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            found.append(float(quota) / float(period))
        with suppress(OSError, ValueError):
            quota = (folder / "cpu.cfs_quota_us").read_text()
            if float(quota) > 0:
                found.append(float(quota) / float((folder / "cpu.cfs_period_us").read_text()))
    return found


def _folders(cgroups: Path, ours: Path) -> list[Path]:
    """Where limits of this process may stand, from ``number:controllers:path`` lines."""
    found = [cgroups, cgroups / "cpu"]
    with suppress(OSError):
        for line in ours.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            named = "cpu" in controllers.split(",")
            if named or not controllers:
                root = cgroups / controllers if named else cgroups
                own = root / path.lstrip("/")
                found += [own, *(each for each in own.parents if root in each.parents)]
    return found
