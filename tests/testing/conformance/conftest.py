"""Deliberately wrong components, and what becomes of the rules on each."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for the modules of wrong components

from harness.plugins import Kind, Registration
from harness.testing.conformance.cases import Checkup
from harness.testing.conformance.component import Component


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """The models are so small that a second thread only makes them slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True, slots=True)
class Given(Registration):
    """A component that no plugin registers."""

    thing: Any = None

    def load(self) -> Any:
        return self.thing


@pytest.fixture(scope="session")
def checkup():
    """``checkup(kind, thing, example)``: of a component that no plugin registers."""

    def made(kind: str, thing: Any, example: Any = None, target: str = "toy:Toy") -> Checkup:
        registration = Given(Kind(kind), "toy", target, "1", "a toy", "toy", "toy", thing)
        return Checkup(Component(registration, example))

    return made


@pytest.fixture(scope="session")
def results(checkup):
    """``results(kind, thing, example)``: what becomes of each rule, by its name."""

    def found(kind: str, thing: Any, example: Any = None) -> dict[str, Any]:
        made = checkup(kind, thing, example)
        return {rule.name: made.result(rule.name) for rule in made.rules}

    return found
