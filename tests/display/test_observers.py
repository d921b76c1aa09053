"""Observers: what they are told, and that none of them harms a run."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import Field, PrivateAttr

from harness.api import (
    ConfigError,
    Event,
    ModelRow,
    Observer,
    PluginError,
    Progressed,
    RunFinished,
    RunStarted,
    Said,
)
from harness.display import audience
from harness.display.audience import Audience
from harness.display.base import Display
from harness.display.observers import MOST, Named, observers
from harness.errors import ExitCode, StoreError
from harness.execute.ending import Ending
from harness.plugins import Catalog, Kind, PluginReport, Registration
from harness.report.summary import document


class Shown(Display):
    """A display that remembers the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


class Seen(Observer):
    """Remembers what it was told."""

    wanted: int = Field(0, ge=0, description="nothing")
    _events: list[Event] = PrivateAttr(default_factory=list)
    _threads: set[str] = PrivateAttr(default_factory=set)

    @property
    def events(self) -> list[Event]:
        return self._events

    def observe(self, event: Event) -> None:
        self._events.append(event)
        self._threads.add(threading.current_thread().name)

    def close(self) -> None:
        self._threads.add("closed")


STARTED = RunStarted(
    run=1, database="no.db", harness="0", time="", suite="s", dataset="d", models=("m",), cells=(),
    seed=0, numerics="fp32", executor="auto", device="cpu", batch_size=None, shard=None,
    fresh=False, retry_errors=False,
)  # fmt: skip


def watched(*who: Observer, act: Callable[[Audience], None] = lambda told: None) -> list[str]:
    """What a display shows of a run with these observers."""
    display = Shown()
    with Audience(display, document) as told:
        told.invite(Named(f"observer {each.__class__.__name__}", each) for each in who)
        told.began(STARTED)
        told.start(cells=1, images=2)
        told.cell("m fgsm")
        told.advance(images=2, cells=1, forwards=4)
        act(told)
        told.say("a line")
    return display.lines


def test_events_come_in_order_on_a_thread_of_its_own() -> None:
    seen = Seen()
    assert watched(seen) == ["a line"]
    names = [event.event for event in seen.events]
    assert names == ["run", "start", "cell", "progress", "say", "summary"]
    assert seen.events[0] is STARTED
    progress, said, finished = seen.events[3:]
    assert isinstance(progress, Progressed)
    assert (progress.images_done, progress.cells_done) == (2, 1)
    assert said == Said("a line")
    assert isinstance(finished, RunFinished)
    assert (finished.status, finished.exit_code) == ("done", 0)
    assert finished.summary["suite"] == "s"
    assert seen._threads == {"observer Seen", "closed"}


@pytest.mark.parametrize("error", [StoreError("full"), ZeroDivisionError("x"), KeyboardInterrupt()])
def test_the_last_event_says_how_a_run_broke_off(error: BaseException) -> None:
    def broken(told: Audience) -> None:
        raise error

    seen = Seen()
    with pytest.raises(type(error)):
        watched(seen, act=broken)
    last = seen.events[-1]
    assert isinstance(last, RunFinished)
    wanted = {"StoreError": ("failed", 5), "ZeroDivisionError": ("failed", 1)}
    status, code = wanted.get(type(error).__name__, ("interrupted", 130))
    assert (last.status, last.exit_code) == (status, code)
    assert last.summary["exit_code"] == code
    assert last.summary["leaderboards"] == []
    assert str(error) in last.summary["error"]


def test_events_are_frozen_and_json() -> None:
    row = ModelRow(
        model="m", top1=1.0, attack="a", goal="g", success=0.1, norm="l2", median=float("inf"),
        attacked=1, images=1, complete=True,
    )  # fmt: skip
    for event in (STARTED, row, Progressed(), Said("x")):
        assert json.loads(json.dumps(event.record(), allow_nan=False))["event"] == event.event
        name = dataclasses.fields(event)[0].name  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, name, 3)
    finished = RunFinished(status="done", exit_code=0, document='{"notes": []}')
    finished.summary["notes"].append("mine")
    assert finished.summary == {"notes": []}


class Raises(Observer):
    def observe(self, event: Event) -> None:
        raise ValueError("no\nway")


class Exits(Observer):
    def observe(self, event: Event) -> None:
        sys.exit(7)


class Closes(Observer):
    def observe(self, event: Event) -> None:
        pass

    def close(self) -> None:
        raise KeyboardInterrupt


class Hangs(Observer):
    _released: threading.Event = PrivateAttr(default_factory=threading.Event)

    def observe(self, event: Event) -> None:
        self._released.wait()


@pytest.mark.parametrize(
    ("rude", "why"),
    [
        (Raises, "it raised ValueError: no way"),
        (Exits, "it raised SystemExit: 7"),
        (Closes, "it raised KeyboardInterrupt"),
        (Hangs, "it does not come to its end"),
    ],
)
def test_a_rude_observer_is_named_once_and_the_others_go_on(
    rude: type[Observer], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "PATIENCE", 0.2)
    bad, seen = rude(), Seen()
    lines = watched(seen, bad)
    named = f"observer {rude.__name__} is told nothing more: {why}"
    assert [line for line in lines if line != "a line"] == [named]
    assert seen.events[-1].event == "summary"
    if isinstance(bad, Hangs):
        bad._released.set()


def test_one_that_takes_nothing_is_let_go_before_it_fills_the_memory() -> None:
    bad = Hangs()

    def flood(told: Audience) -> None:
        for _ in range(MOST + 10):
            told.cell("x")

    lines = watched(bad, act=flood)
    assert lines == [
        f"observer Hangs is told nothing more: it hangs, and {MOST} events wait for it",
        "a line",
    ]
    bad._released.set()


def test_a_failing_summary_does_not_hide_how_the_run_ended() -> None:
    ending = Ending("failed", ExitCode.STORE, "busy", None, None, "", 0.0)
    assert document(ending)["run"] is None
    assert document(ending)["counts"]["robust"] == 0


def catalog(target: str) -> Catalog:
    report = PluginReport("acme", "acme-observers", "1")
    offer = Registration(Kind.OBSERVER, "seen", target, "1", "", "acme", "acme-observers")
    report.registered.append(offer)
    return Catalog([report])


def test_options_are_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "acme", sys.modules[__name__])
    known = catalog("acme:Seen")
    (named,) = observers(["seen:wanted=3"], known, "--observe")
    assert (named.name, named.observer) == ("observer seen", Seen(wanted=3))
    wrong: list[tuple[Any, str]] = [
        ("sen", "did you mean 'seen'"),
        ("seen:wnted=3", "did you mean 'wanted'"),
        ("seen:wanted=-1", "wanted: Input should be greater than or equal to 0"),
        (Seen, "is no observer"),
    ]
    for asked, text in wrong:
        with pytest.raises(ConfigError, match=text):
            observers([asked], known, "--observe")
    with pytest.raises(PluginError, match="no subclass of"):
        observers(["seen"], catalog("acme:Shown"), "--observe")


def test_a_value_may_hold_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    class Place(Seen):
        url: str
        folder: str = ""

    monkeypatch.setitem(sys.modules, "acme", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "Place", Place, raising=False)
    asked = "seen:url=http://localhost:5000/a:b:folder=c:\\d"
    (named,) = observers([asked], catalog("acme:Place"), "--observe")
    assert named.observer.model_dump(exclude={"wanted"}) == {
        "url": "http://localhost:5000/a:b",
        "folder": "c:\\d",
    }
