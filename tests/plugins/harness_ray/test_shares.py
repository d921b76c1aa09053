"""How the workers divide a cluster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import ConfigError, Devices, Placement
from harness_ray.shares import Node, check, share


def node(cpus, gpus=0, *, free_cpus=None, free_gpus=None):
    free = cpus if free_cpus is None else free_cpus, gpus if free_gpus is None else free_gpus
    return Node(float(cpus), float(gpus), *map(float, free))


def divided(nodes, devices="auto", **placement):
    found = share(Placement(devices=Devices.parse(devices), **placement), nodes)
    return found.device, found.workers, found.cpus, found.gpus


@pytest.mark.parametrize(
    ("devices", "placement", "expected"),
    [
        ("auto", {}, ("cpu", 12, 1, 0)),
        ("cpu", {"most": 6}, ("cpu", 6, 2, 0)),
        ("cpu:3", {}, ("cpu", 3, 4, 0)),
        ("cpu:2", {}, ("cpu", 2, 4, 0)),
        ("cpu:3", {"most": 2}, ("cpu", 2, 4, 0)),
        ("cpu", {"cpus_per_worker": 3}, ("cpu", 3, 3, 0)),
    ],
)
def test_cores_are_shared_out(devices, placement, expected):
    assert divided([node(4), node(8)], devices, **placement) == expected


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ({}, ("cuda:0", 3, 4, 1)),
        ({"gpus_per_worker": 0.5}, ("cuda:0", 6, 2, 0.5)),
        ({"gpus_per_worker": 0.3}, ("cuda:0", 9, 1, 0.3333)),
        (
            {"gpus_per_worker": 0.25, "most": 3},
            ("cuda:0", 3, 4, 1),
        ),  # none is idle
        ({"gpus_per_worker": 0.25, "most": 4}, ("cuda:0", 4, 2, 0.5)),
        ({"gpus_per_worker": 0.1}, ("cuda:0", 30, 0, 0.1)),  # more than cores
        ({"most": 2}, ("cuda:0", 2, 4, 1)),
        ({"cpus_per_worker": 8}, ("cuda:0", 2, 8, 1)),
    ],
)
def test_gpus_are_shared_out(placement, expected):
    nodes = [node(8, 2), node(8, 1), node(64)]
    assert divided(nodes, **placement) == expected
    assert divided(nodes, "cuda:all", **placement) == expected


def test_what_others_have_taken_is_not_counted_on():
    assert divided([node(8, free_cpus=3)])[1] == 3
    assert divided([node(8, 4, free_gpus=1)])[1] == 1
    assert divided([node(8, 4, free_gpus=0)])[1] == 1  # it waits


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any),
    st.integers(1, 60),
    st.none() | st.integers(1, 9),
)
def test_all_workers_fit(cores, most, cpus):
    try:
        _, workers, each, _ = divided([node(n) for n in cores], most=most, cpus_per_worker=cpus)
    except ConfigError:
        assert cpus > max(cores)
        return
    assert 1 <= workers <= most
    assert sum(n // each for n in cores) >= workers
    if cpus is None and workers < most:
        assert workers == sum(cores)  # no core is idle


@pytest.mark.parametrize(
    ("nodes", "devices", "placement", "message"),
    [
        ([node(4)], "cuda:all", {}, "--devices: cuda:all cannot be used: the cluster has no GPU"),
        ([node(2), node(4)], "cpu", {"cpus_per_worker": 8}, "the largest has 4"),
        ([node(0)], "auto", {}, "no host of the cluster has 1 cores"),
    ],
)
def test_what_there_is_no_room_for(nodes, devices, placement, message):
    with pytest.raises(ConfigError, match=message):
        divided(nodes, devices, **placement)


@pytest.mark.parametrize(
    ("devices", "gpus", "message"),
    [("cpu:2", 0.5, "on CPUs"), ("auto", 2, "one GPU or a part"), ("auto", 0, "one GPU or a part")],
)
def test_shares_of_a_gpu(devices, gpus, message):
    with pytest.raises(ConfigError, match=message):
        check(Placement(devices=Devices.parse(devices), gpus_per_worker=gpus))
