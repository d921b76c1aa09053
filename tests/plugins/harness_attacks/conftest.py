"""Fixtures of the attacks' tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for norm_toy

import norm_toy


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """The models are so small that a second thread only makes them slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
    return norm_toy.small_network()


@pytest.fixture(scope="module")
def images():
    return torch.rand(100, 3, *norm_toy.SIZE, generator=torch.Generator().manual_seed(6))
