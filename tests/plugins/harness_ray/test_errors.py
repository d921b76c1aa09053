"""What cannot be done is said in one line, and nothing is left of it."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from harness.api import ConfigError, Devices, HarnessError, MissingError, Placement
from harness.testing.toys import ToyProgram, answer
from harness_ray import cluster

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'frontier-harness[ray]'")


def executor(devices="cpu:1", **placement):
    from harness_ray.executor import RayExecutor

    return RayExecutor(Placement(devices=Devices.parse(devices), **placement))


@pytest.fixture
def deaf(monkeypatch):
    """Somebody who listens and says nothing."""
    monkeypatch.setattr(cluster, "ANSWERS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """As if no cluster were on this host, and this process in none."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        (
            "127.0.0.1:1",
            HarnessError,
            "no Ray cluster at 127.0.0.1:1: .*refused; start one: ray",
        ),
        ("127.0.0.1:{deaf}", HarnessError, "no Ray cluster at 127.0.0.1:.*timed out"),
        ("nowhere.invalid:6379", HarnessError, "no Ray cluster at nowhere.invalid:6379: "),
        ("auto", HarnessError, "no Ray cluster on this host"),
        ("nonsense", ConfigError, "'nonsense' is not HOST:PORT; Ray's port is 6379"),
        ("ray://head:10001", ConfigError, "the address of a client"),
    ],
)
@pytest.mark.parametrize("given", ["as the option", "in the environment"])
def test_no_cluster_there(address, kind, message, given, deaf, alone, monkeypatch, capfd):
    address = address.format(deaf=deaf)
    if given == "in the environment":
        monkeypatch.setenv("RAY_ADDRESS", address)
    made = executor(address=address if given == "as the option" else None)
    with pytest.raises(kind, match=f"^--ray-address: .*{message}") as raised, made:
        made.start(ToyProgram(), answer)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ({"devices": "cuda:0,cuda:1", "address": "10.0.0.5:6379"}, "use --devices cuda:all"),
        ({"devices": "cpu:2", "gpus_per_worker": 0.5}, "--gpus-per-worker: the workers are on"),
        ({"devices": "auto", "gpus_per_worker": 3.0}, "--gpus-per-worker: a worker computes on"),
        ({"devices": "cpu", "cpus_per_worker": 4096}, "cores, not 4096"),
    ],
)
def test_what_cannot_be_asked_for(placement, message, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError, match=message):
        executor(**placement)


def test_another_version(town):
    program = "import sys, ray; ray.__version__ = '2.0.0'\nfrom harness_ray import cluster\n" \
        "from harness.errors import HarnessError\ntry: cluster.join(sys.argv[1])\n" \
        "except HarnessError as error: print(error)"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, town.address], capture_output=True, text=True, timeout=100
    )
    line, *rest = done.stdout.splitlines()
    assert not rest
    assert "Version mismatch" in line
    assert "Ray: 2.0.0" in line
    assert f"Ray: {ray.__version__}" in line
    assert not done.stderr


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingError, match=r"pip install 'frontier-harness\[ray\]'$") as raised:
        executor()
    assert "\n" not in str(raised.value)


def test_gpus_by_the_numbers_that_this_process_sees():
    from harness_ray.executor import _chosen

    assert _chosen((0, 2), None) == "0,2"
    assert _chosen((0, 2), "5,6,7") == "5,7"
    with pytest.raises(ConfigError, match="leaves this process 1 GPUs"):
        _chosen((0, 2), "5")
