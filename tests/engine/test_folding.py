"""Networks are traced beside models at work: no guard sees it, and no trace sees another."""

from __future__ import annotations

import threading

import torch
from torch import nn

from harness.engine.folding import folded
from harness.engine.names import Names

PATIENCE = 30.0  # seconds until a hanging test fails; no result depends on it


class Waiting(nn.Module):
    """Says when it is traced, and goes on when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.traced, self.may_end = threading.Event(), threading.Event()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

    def __deepcopy__(self, memo: object) -> Waiting:
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if isinstance(images, torch.fx.Proxy):
            self.traced.set()
            assert self.may_end.wait(PATIENCE)
        found: torch.Tensor = self.layers(images)
        return found


def test_a_guard_does_not_see_what_torch_patches_while_it_traces() -> None:
    before, network, found = Names.now(), Waiting().eval(), []
    called = nn.Module.__call__
    tracing = threading.Thread(target=lambda: folded(network, (3, 2, 2)))
    tracing.start()
    assert network.traced.wait(PATIENCE)
    looking = threading.Thread(target=lambda: found.append((before.put_back(), Names.now())))
    looking.start()
    looking.join(0.2)  # it would be over
    network.may_end.set()
    tracing.join(PATIENCE)
    looking.join(PATIENCE)
    assert found == [([], before)]
    assert nn.Module.__call__ is called


def test_traces_that_overlap_leave_nothing_behind() -> None:
    called = nn.Module.__call__
    networks = Waiting().eval(), Waiting().eval()
    threads = [threading.Thread(target=folded, args=(each, (3, 2, 2))) for each in networks]
    threads[0].start()
    assert networks[0].traced.wait(PATIENCE)
    threads[1].start()
    networks[1].traced.wait(0.2)  # it would be traced
    networks[0].may_end.set()
    threads[0].join(PATIENCE)
    networks[1].may_end.set()
    threads[1].join(PATIENCE)
    assert nn.Module.__call__ is called
