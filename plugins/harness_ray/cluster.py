"""The connection of the driver's process to a cluster: one that exists, or one of its own."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.api import ConfigError, HarnessError, MissingError
from harness_ray import keeper
from harness_ray.reasons import refusal_to_join
from harness_ray.shares import Node

FLAG = "--ray-address"
STARTS = 120.0
"""Seconds that a cluster of ours may take to start: on a busy machine, some twenty."""
ANSWERS = 10.0
"""Seconds within which a cluster has to answer at all."""
SETTINGS = 4
"""The type of a frame of HTTP/2."""
ENDS = 3.0
"""Seconds within which all of a cluster of ours has ended."""
LONGEST_FOLDER = 25
"""Characters of the system's folder for temporary files. Ray puts sockets 80 characters further,
and a socket's name has 107 at most."""
OBJECTS = 256 * 1024**2
"""Bytes of shared memory for what is underway."""
RAY = "import sys; sys.modules['grpc'] = None; from ray.scripts.scripts import main; main()"
"""The command `ray`. Where there is gRPC, it would open a port for clients, always the same one."""
QUICK = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 3000,
    "health_check_failure_threshold": 4,
    "kill_worker_timeout_milliseconds": 1000,
}
"""By default Ray misses a silent host after half a minute or more."""


def require() -> Any:
    """Ray, with nothing changed in this process by its import.

    Raises:
        MissingError: it is not installed.
    """
    hook = sys.excepthook
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of what is written to stderr in C++
    try:
        import ray
    except ImportError as error:
        raise MissingError(
            f"Ray cannot be imported: {error}",
            where="--executor ray",
            hint="pip install 'frontier-harness[ray]'",
        ) from error
    sys.excepthook = hook
    log = logging.getLogger("ray")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    return ray


class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        ray: the module.
        home: Ray's name of this host.

    Args:
        leave: it is this object that connected the process.
        process: keeps a cluster of ours; ``before``: variables as they were without it.
    """

    def __init__(
        self,
        *,
        leave: bool,
        process: subprocess.Popen[bytes] | None = None,
        before: Mapping[str, str | None] | None = None,
    ) -> None:
        self.ray = require()
        self._leave, self._process, self._before = leave, process, before or {}
        self.home: str = self.ray.get_runtime_context().get_node_id()

    @property
    def ours(self) -> bool:
        """Whether it is one of this process's own: one host, and nobody else's work."""
        return self._process is not None

    def nodes(self) -> list[Node]:
        """Those that are there now."""
        free = _free()
        found = []
        for each in self.ray.nodes():
            if each["Alive"]:
                total = each["Resources"]
                left = free.get(each["NodeID"], total)
                cpus, gpus = total.get("CPU", 0.0), total.get("GPU", 0.0)
                found.append(Node(cpus, gpus, left.get("CPU", 0.0), left.get("GPU", 0.0)))
        return found

    def close(self) -> None:
        """Disconnect; nothing is left of a cluster of ours."""
        if self._leave:
            with suppress(Exception):
                self.ray.shutdown()
        if self._process is not None:
            _end(self._process)
            _believe(self._before)


def joined() -> Cluster | None:
    """The cluster that this process is connected to already: a notebook may be."""
    return Cluster(leave=False) if require().is_initialized() else None


def join(address: str) -> Cluster:
    """Connect to a cluster that exists, as ``HOST:PORT`` or ``auto``.

    Raises:
        HarnessError: there is none, or this process cannot be part of it.
    """
    _connect(_reach(address))
    return Cluster(leave=True)


def start(*, cpus: int, gpus: bool, visible: str | None) -> Cluster:
    """Start a cluster of this host alone, which ends with this process however that ends.

    Args:
        gpus: whether workers are to see GPUs.
        visible: which ones, as CUDA_VISIBLE_DEVICES; None: as this process.

    Raises:
        HarnessError: it did not start, and nothing is left of it.
    """
    require()
    system = tempfile.gettempdir()
    folder = Path(
        tempfile.mkdtemp(
            prefix="harness-ray-", dir=system if len(system) <= LONGEST_FOLDER else "/tmp"
        )
    )
    token = _secrets(secrets.token_hex(32))
    environment = {**os.environ, **token, "RAY_USAGE_STATS_ENABLED": "0"}
    # Ray's workers give way to every other process: next to one they would stand still.
    environment.setdefault("RAY_worker_niceness", "0")
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    process = subprocess.Popen(
        [sys.executable, keeper.__file__, str(folder), *_command(folder, cpus, gpus)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # a terminal's Ctrl-C is for the driver alone
    )
    before = {name: os.environ.get(name) for name in token}
    try:
        address = _address(process, folder)
        _believe(token)
        _connect(address)
        return Cluster(leave=True, process=process, before=before)
    except BaseException:
        _end(process)
        _believe(before)
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _command(folder: Path, cpus: int, gpus: bool) -> list[str]:
    """A head node without what only people look at."""
    options = {
        "port": 0,
        "node-ip-address": "127.0.0.1",
        "num-cpus": cpus,
        "temp-dir": folder,
        "object-store-memory": OBJECTS,
        "include-dashboard": False,
        "include-log-monitor": False,
        "dashboard-agent-listen-port": 0,
        "system-config": json.dumps(QUICK),
    }
    if not gpus:
        options["num-gpus"] = 0
    start = [sys.executable, "-c", RAY, "start", "--head", "--block"]
    return [*start, "--no-monitor", *(f"--{name}={value}" for name, value in options.items())]


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Where the cluster is, as soon as it is."""
    until = time.monotonic() + STARTS
    file = folder / "ray_current_cluster"
    said = ""
    while time.monotonic() < until:
        with suppress(OSError):
            if address := file.read_text().strip():
                return address
        with suppress(OSError):
            said = (folder / keeper.LOG).read_text(errors="replace")
        if process.poll() is not None:
            break
        time.sleep(0.02)
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it says nothing")
    raise HarnessError(f"Ray did not start on this host: {last}", where="--executor ray")


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(ENDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _reach(address: str) -> str:
    """The address where a cluster answers, for Ray itself would try for minutes.

    Raises:
        HarnessError: nobody does.
    """
    if "://" in address:
        raise ConfigError(
            f"{address} is the address of a client, whose workers cannot stream",
            where=FLAG,
            hint="run on a host of the cluster, with HOST:6379 or auto; or `ray job submit`",
        )
    if address == "auto":
        address = _of_this_host()
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"{address!r} is not HOST:PORT", where=FLAG, hint="Ray's port is 6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWERS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "0" and not _speaks_http2(connection):
                raise OSError("something else listens there")
    except (OSError, OverflowError) as error:
        raise HarnessError(
            f"no Ray cluster at {address}: {error}", where=FLAG, hint="start one: ray start --head"
        ) from error
    return address


def _of_this_host() -> str:
    """Where the cluster is that a process on this host has started or joined."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        return str(canonicalize_bootstrap_address("auto"))
    except ConnectionError as error:
        raise HarnessError(
            "no Ray cluster on this host", where=FLAG, hint="start one: ray start --head"
        ) from error


def _speaks_http2(connection: socket.socket) -> bool:
    """As every gRPC server does: it answers a preface by its settings."""
    connection.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
    )
    return connection.recv(9)[3:4] == bytes([SETTINGS])


def _connect(address: str) -> None:
    ray = require()
    from ray.exceptions import AuthenticationError, RayError

    try:
        with _signals(), _mute():
            ray.init(address, configure_logging=False, log_to_driver=False)
            ray._private.worker._worker_logs_enabled = False  # else the cluster's troubles too
    except AuthenticationError as error:
        raise HarnessError(
            f"the cluster at {address} asks for another token",
            where=FLAG,
            hint="set RAY_AUTH_TOKEN to the cluster's",
        ) from error
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise HarnessError(
            f"cannot join the Ray cluster at {address}: {refusal_to_join(error)}",
            where=FLAG,
            hint="run on one of its hosts, with its versions of Ray and Python",
        ) from error


@contextmanager
def _signals() -> Iterator[None]:
    """Ray answers SIGTERM by an end of its own; this process has answers already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextmanager
def _mute() -> Iterator[None]:
    """Ray's part in C++ writes to stderr where it logs, and how, before it can be told not to."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _secrets(token: str) -> dict[str, str]:
    """Without it anybody on this host could run code as this user."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


def _believe(variables: Mapping[str, str | None]) -> None:
    """Set variables of this process that Ray read when it was imported, or restore them."""
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    from ray._raylet import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _free() -> dict[str, dict[str, float]]:
    """What is free on each host, by Ray's names of them."""
    from ray._private.state import available_resources_per_node

    found: dict[str, dict[str, float]] = available_resources_per_node()
    return found
