"""A small run that is really stored, for whatever looks at results: made once per process."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from functools import cache
from pathlib import Path

from pydantic import PrivateAttr

from harness.analysis.evidence import gather
from harness.analysis.results import Results
from harness.api import ConfigError, Event, Evidence, Observer
from harness.api.report_section import Reported
from harness.library.results import results
from harness.library.running import run
from harness.store.database import snapshot

SUITE = """\
suites:
  conformance:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 12
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}, keep: true}
      - {attack: ifgsm, goals: [untargeted], parameters: {steps: 2, attempts: 4}}
    measurements:
      - {measurement: divergence, images: 3, parameters: {steps: 2}}
    metrics: [accuracy, success, linf]
"""
NAME = "conformance"


class _Recorder(Observer):
    """Keeps what it is told."""

    _events: list[Event] = PrivateAttr(default_factory=list)

    def observe(self, event: Event) -> None:
        self._events.append(event)


@cache
def _stored() -> tuple[tempfile.TemporaryDirectory[str], tuple[Event, ...]]:
    """The folder of the database and of the registry, and what observers were told."""
    folder = tempfile.TemporaryDirectory(prefix="harness-conformance-")
    registry = Path(folder.name) / "suite.yaml"
    registry.write_text(SUITE)
    database = Path(folder.name) / "harness.db"
    recorder = _Recorder()
    with redirect_stderr(io.StringIO()):  # its progress is nobody's business
        run(NAME, db=database, devices="cpu:1", registry=[registry], observers=[recorder])
    return folder, tuple(recorder._events)


def database() -> Path:
    """Two models, two attacks and a measurement on six digits."""
    return Path(_stored()[0].name) / "harness.db"


def events() -> tuple[Event, ...]:
    """What observers were told of that run."""
    return _stored()[1]


@cache
def failed() -> tuple[Event, ...]:
    """What they are told of a run that fails before it is planned."""
    recorder = _Recorder()
    with redirect_stderr(io.StringIO()), suppress(ConfigError):
        run("no suite has this name", observers=[recorder])
    return tuple(recorder._events)


@contextmanager
def evidence() -> Iterator[Evidence]:
    """What findings see of it."""
    with snapshot(database()) as stored:
        yield gather(Results(stored.conn).suite(NAME))


def reported() -> Reported:
    """What report sections see of it."""
    stored = results(database())
    return Reported(stored, stored.suite(NAME), lambda name: name)


EMPTY = Evidence({}, (), ())
"""Of a suite without results."""
