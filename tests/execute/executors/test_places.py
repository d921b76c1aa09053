"""Where workers are put: on which device, with which share of the cores; and by which executor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import ConfigError, Devices, Placement
from harness.execute.executors.choice import choose, own_device
from harness.execute.executors.places import places, single


def placement(devices, **more):
    return Placement(devices=Devices.parse(devices), **more)


def put(devices, gpus=0, cores=8, **more):
    found = places(placement(devices, **more), gpus=gpus, cores=cores)
    return [(each.device, each.threads) for each in found]


def test_cpus_share_the_cores():
    assert put("cpu:4") == [("cpu", 2)] * 4
    assert put("cpu:3") == [("cpu", 2)] * 3
    assert put("cpu:16") == [("cpu", 1)] * 16, "at least one thread each"
    assert put("cpu") == [("cpu", 1)] * 8
    assert put("auto") == put("cpu")
    assert put("cpu", most=2) == [("cpu", 4)] * 2, "no core is left idle"
    assert put("cpu:4", most=0) == [("cpu", 8)]
    assert put("cpu", cpus_per_worker=4) == [("cpu", 4)] * 2
    assert put("cpu:2", cpus_per_worker=1) == [("cpu", 1)] * 2


def test_a_process_per_gpu_or_per_share_of_one():
    assert put("cuda:all", gpus=2) == [("cuda:0", 4), ("cuda:1", 4)]
    assert put("auto", gpus=2) == put("cuda:all", gpus=2)
    assert put("cuda:1", gpus=2) == [("cuda:1", 8)]
    assert put("cuda:0,cuda:2", gpus=3, gpus_per_worker=0.5) == [
        ("cuda:0", 2), ("cuda:2", 2), ("cuda:0", 2), ("cuda:2", 2),
    ]  # fmt: skip
    assert put("cuda:all", gpus=2, gpus_per_worker=0.5, most=3) == [
        ("cuda:0", 2), ("cuda:1", 2), ("cuda:0", 2),
    ]  # fmt: skip
    assert len(put("cuda:0", gpus=1, gpus_per_worker=1 / 3)) == 3
    assert put("cuda:all", gpus=2, cpus_per_worker=1) == [("cuda:0", 1), ("cuda:1", 1)]


@given(
    devices=st.sampled_from(["auto", "cpu", "cpu:1", "cpu:7", "cuda:all", "cuda:1,cuda:0"]),
    gpus=st.integers(2, 9),
    cores=st.integers(1, 99),
    most=st.integers(1, 20),
    share=st.none() | st.floats(0.1, 1),
)
def test_never_more_than_help_and_never_without_a_core(devices, gpus, cores, most, share):
    if devices.startswith("cpu"):
        share = None
    found = put(devices, gpus, cores, most=most, gpus_per_worker=share)
    assert 1 <= len(found) <= most
    assert all(threads >= 1 for _, threads in found)
    assert sum(threads for _, threads in found) <= max(cores, len(found))
    assert {device.partition(":")[0] for device, _ in found} == (
        {"cpu"} if devices.startswith("cpu") else {"cuda"}
    )


WRONG = {
    "no GPU": ("cuda:0", 0, {}, "torch sees no GPU"),
    "no GPUs": ("cuda:all", 0, {}, "torch sees no GPU"),
    "not that one": ("cuda:0,cuda:3", 2, {}, "torch sees 2 GPUs"),
    "two GPUs each": ("cuda:all", 4, {"gpus_per_worker": 2}, "on one GPU or a part"),
    "cores": ("cpu", 0, {"cpus_per_worker": 9}, "8 cores, not 9"),
    "no GPUs to share": ("cpu", 2, {"gpus_per_worker": 0.5}, "on CPUs"),
    "cluster": ("cpu", 0, {"address": "there:1"}, "on this machine"),
}


@pytest.mark.parametrize(("devices", "gpus", "more", "said"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_said(devices, gpus, more, said):
    with pytest.raises(ConfigError, match=said):
        put(devices, gpus, **more)


def test_a_single_worker_has_the_whole_machine():
    assert single(placement("auto"), 0) == "cpu"
    assert single(placement("auto"), 4) == "cuda:0"
    assert single(placement("cpu:1"), 4) == "cpu"
    assert single(placement("cuda:2"), 4) == "cuda:2"
    assert single(placement("cuda:all"), 1) == "cuda:0"
    for devices, more in (
        ("cpu:2", {}),
        ("cuda:all", {}),
        ("cuda:0,cuda:1", {}),
        ("cuda:7", {}),
        ("cpu", {"cpus_per_worker": 1}),
        ("auto", {"gpus_per_worker": 0.5}),
        ("cpu", {"address": "there:1"}),
    ):
        with pytest.raises(ConfigError):
            single(placement(devices, **more), 4)


def chosen(devices, gpus=0, asked="auto", helpful=3, pending=5000, **more):
    name, found = choose(
        asked, placement(devices, **more), helpful=helpful, pending=pending, gpus=gpus
    )
    return name, found.most


def test_the_executor_that_fits():
    assert chosen("auto") == ("processes", 3), "small networks"
    assert chosen("auto", helpful=1) == ("inline", 1), "photographs, or little work"
    assert chosen("cpu:4") == ("processes", 5000), "as many as are asked for"
    assert chosen("cpu:1") == ("inline", 5000)
    assert chosen("cpu:4", pending=1) == ("inline", 1)
    assert chosen("auto", gpus=1)[0] == "inline"
    assert chosen("auto", gpus=2)[0] == "processes"
    assert chosen("cuda:1", gpus=2)[0] == "inline"
    assert chosen("cpu", gpus=2) == ("processes", 3)
    assert chosen("auto", gpus=1, gpus_per_worker=0.5)[0] == "processes"
    assert chosen("cpu", helpful=1, cpus_per_worker=1)[0] == "processes"


def test_an_executor_that_is_asked_for_is_taken():
    assert chosen("cpu:4", asked="inline")[0] == "inline"
    assert chosen("cpu", asked="processes", helpful=1) == ("processes", 1)
    assert chosen("auto", asked="cluster", helpful=1) == ("cluster", 5000)


@pytest.mark.parametrize("devices", ["auto", "cuda:all", "cpu:4"])
def test_the_gpus_of_a_cluster_need_not_be_here(devices):
    assert own_device("cluster", placement(devices), "tf32") == own_device(
        "cluster", placement("auto"), "fp32"
    )


def test_what_is_asked_of_this_machine_has_to_be_here():
    assert own_device("processes", placement("cpu:4"), "bf16").type == "cpu"
    with pytest.raises(ConfigError, match="no TF32"):
        own_device("auto", placement("cpu"), "tf32")
    with pytest.raises(ConfigError, match="cuda:99"):
        own_device("inline", placement("cuda:99"), "fp32")
