"""A cluster of two hosts that are processes of this one, started once."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.api import Executor, Placement

OBJECTS = 128 * 1024**2


class Town:
    """A cluster whose hosts can be killed, and joined by others.

    Attributes:
        address: where it is.
    """

    def __init__(self, folder: Path, system: dict[str, int]) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  others would come first
        self.cluster = Cluster()
        self.head = self.add(4, _system_config=system, temp_dir=str(folder / "ray"))
        self.address = self.cluster.address

    def add(self, cpus: int, **options: Any) -> Any:
        """Another host."""
        return self.cluster.add_node(
            num_cpus=cpus, object_store_memory=OBJECTS, include_log_monitor=False,
            include_dashboard=False, no_monitor=True, **{"num_gpus": 0, **options},
        )  # fmt: skip

    def kill(self, host: Any) -> None:
        """As a power cut does it: what else it runs ends as well, or is ended here."""
        (process,) = [each.process for each in host.all_processes["raylet"]]
        process.kill()
        process.wait()
        self.cluster.worker_nodes.discard(host)
        end_all(lambda variables: variables.get("RAY_RAYLET_PID") == str(process.pid))

    def remove(self, host: Any) -> None:
        """If it is still there."""
        if host in self.cluster.worker_nodes:
            self.cluster.remove_node(host, allow_graceful=False)

    def close(self) -> None:
        folder = self.head.get_session_dir_path()
        self.cluster.shutdown()
        end_all(lambda variables: variables.get("RAY_SESSION_DIR", "") == folder)


def environment(pid: int) -> dict[str, str]:
    """The variables that a process was started with; none: it is gone, or is not ours."""
    with suppress(OSError):
        pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return {}


def processes() -> list[int]:
    """All that run, zombies apart."""
    found = []
    for each in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if (each / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(each.name))
    return found


def end_all(ours: Callable[[dict[str, str]], bool]) -> None:
    for pid in processes():
        if pid != os.getpid() and ours(environment(pid)):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """One host of four cores, and this process connected to it."""
    from harness_ray import cluster

    cluster.require()
    with tempfile.TemporaryDirectory(
        prefix="town-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        os.environ["RAY_TMPDIR"] = folder  # else it leaves the address in /tmp/ray
        town = Town(Path(folder), cluster.QUICK)
        joined = cluster.join(town.address)
        yield town
        joined.close()
        town.close()
        del os.environ["RAY_TMPDIR"]


@pytest.fixture
def make(town, until) -> Callable[[Placement], Executor]:
    """An executor on the town, for a placement."""
    import ray

    from harness_ray.executor import RayExecutor

    # What the test before had taken is free again after a moment.
    until(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"], 30)
    return lambda placement: RayExecutor(replace(placement, address=town.address))


@pytest.fixture
def until() -> Callable[[Callable[[], bool], float], None]:
    def wait(condition: Callable[[], bool], seconds: float) -> None:
        over = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < over
            time.sleep(0.05)

    return wait
