"""What each display writes, and where."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from rich.console import Console

from harness.api import ModelRow
from harness.display import Display, DisplayKind, make_display
from harness.display.jsonlines import JsonDisplay
from harness.display.live import LiveDisplay
from harness.display.plain import PlainDisplay

HOSTILE = "[red]loud[/red] [/] [link=x]\x1b[31m\x07two\nlines {images}"
TAME = r"[red]loud[/red] [/] [link=x]\u001b[31m\u0007two lines {images}"

ROW = ModelRow(
    model="digits-vgg16",
    top1=0.984,
    attack="ifgsm epsilon=search",
    goal="random",
    success=34 / 36,
    norm="linf",
    median=0.52,
    attacked=35,
    images=36,
    complete=True,
)

PROGRAM = """
import sys
from harness.display import make_display
with make_display(sys.argv[1]) as display:
    display.start(cells=1, images=2)
    display.cell("alexnet fgsm")
    display.say("halved")
    display.advance(images=2, cells=1, forwards=8)
print("rich" in sys.modules)
"""


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_now_and_then() -> None:
    clock, stream = Clock(), io.StringIO()
    with PlainDisplay(stream, clock) as display:
        display.start(cells=2, images=40)
        display.cell("alexnet fgsm random")
        for second in range(1, 26):
            clock.now += 1
            display.advance(images=1, forwards=10, cells=int(second == 20))
        display.say("batch size halved to 32")

    assert stream.getvalue().splitlines() == [
        "2 cells, 40 images pending",
        "cells 0/2, images 10/40, 1.0 images/s, 10 forwards/s, 0:30 left: alexnet fgsm random",
        "cells 1/2, images 20/40, 1.0 images/s, 10 forwards/s, 0:20 left: alexnet fgsm random",
        "batch size halved to 32",
        "cells 1/2, images 25/40 in 0:25",
    ]


def test_json_tells_every_event() -> None:
    clock, stream = Clock(), io.StringIO()
    with JsonDisplay(stream, clock) as display:
        display.start(cells=2, images=4)
        display.cell("alexnet fgsm random")
        display.say(HOSTILE)
        display.advance(images=1)  # within the second: told with the next one
        clock.now += 1
        display.advance(images=1, forwards=6)
        display.advance(cells=1)

    events: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["start", "cell", "say", "progress", "progress", "finish"]
    assert events[0] == {"event": "start", "cells": 2, "images": 4}
    assert events[1]["label"] == "alexnet fgsm random"
    assert events[2]["text"] == HOSTILE
    assert events[3] == {
        "event": "progress",
        "cells_done": 0,
        "cells": 2,
        "images_done": 2,
        "images": 4,
        "forwards": 6,
        "elapsed": 1.0,
        "images_per_second": 2.0,
        "forwards_per_second": 6.0,
        "remaining": 1.0,
    }
    assert events[5]["cells_done"] == 1


def test_rows_of_models_are_columns() -> None:
    stream = io.StringIO()
    fixed = replace(ROW, model="m", attack="fgsm", norm=None, median=None, complete=False)
    with PlainDisplay(stream, Clock()) as display:
        display.completed(ROW)
        display.completed(replace(ROW, model="digits-resnet_v2_101", success=1.0, median=math.inf))
        display.completed(replace(fixed, top1=None, success=None, attacked=0))
        display.completed(replace(fixed, robust_accuracy=0.25))
    assert stream.getvalue().splitlines() == [
        "digits-vgg16                  top-1  98.4%  success  94.4%  median linf  0.520"
        "  35/36 images  ifgsm epsilon=search random",
        "digits-resnet_v2_101          top-1  98.4%  success 100.0%  median linf    inf"
        "  35/36 images  ifgsm epsilon=search random",
        "m                             top-1      -  success      -"
        "  0/36 images  fgsm random  incomplete",
        "m                             top-1  98.4%  robust accuracy  25.0%  success  94.4%"
        "  35/36 images  fgsm random  incomplete",
    ]


def test_json_has_no_infinity() -> None:
    stream = io.StringIO()
    with JsonDisplay(stream, Clock()) as display:
        display.completed(ROW)
        display.completed(replace(ROW, median=math.inf))
    finite, infinite = (json.loads(line) for line in stream.getvalue().splitlines())
    assert finite == {"event": "model", **asdict(ROW), "median_infinite": False}
    assert infinite == {**finite, "median": None, "median_infinite": True}


def live(stream: io.StringIO, clock: Clock) -> LiveDisplay:
    console = Console(file=stream, width=100, force_terminal=True, color_system=None)
    return LiveDisplay(console, clock)


def test_live_shows_counts_rates_and_the_time_left() -> None:
    clock, stream = Clock(), io.StringIO()
    with live(stream, clock) as display:
        display.start(cells=2, images=40)
        display.cell("alexnet fgsm random")
        clock.now += 5
        display.advance(images=10, cells=1, forwards=100)
        display.say("a line that stays")
        display.completed(ROW)

    shown = stream.getvalue()
    assert "a line that stays" in shown
    assert "digits-vgg16                  top-1  98.4%  success  94.4%" in shown
    assert "alexnet fgsm random" in shown
    assert "cells 1/2, images 10/40, 2.0 images/s, 20 forwards/s, 0:15 left" in shown
    assert "in 0:05" in shown
    assert shown.endswith("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize("make", [PlainDisplay, live])
def test_texts_are_neither_markup_nor_control_codes(make: Callable[..., Display]) -> None:
    clock, stream = Clock(), io.StringIO()
    with make(stream, clock) as display:
        display.start(cells=1, images=1)
        display.say(HOSTILE)
        display.completed(replace(ROW, model=HOSTILE))
        display.cell(HOSTILE)
        clock.now += 60
        display.advance(images=1)

    assert stream.getvalue().count(TAME) >= 3
    assert "\x1b[31m" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()


@pytest.mark.parametrize("make", [PlainDisplay, JsonDisplay, live])
def test_an_error_finishes_the_display_once(make: Callable[..., Display]) -> None:
    stream = io.StringIO()
    display = make(stream, Clock())

    def interrupted() -> None:
        with display:
            display.start(cells=1, images=3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    written = stream.getvalue()
    display.finish()
    assert stream.getvalue() == written
    display.say("goodbye")
    assert "goodbye" in stream.getvalue()


@pytest.mark.parametrize("make", [PlainDisplay, JsonDisplay, live])
def test_a_display_that_never_starts_is_silent(make: Callable[..., Display]) -> None:
    stream = io.StringIO()
    with make(stream, Clock()):
        pass
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("kind", "expected"), [("plain", PlainDisplay), ("json", JsonDisplay), ("rich", LiveDisplay)]
)
def test_make_display(kind: DisplayKind, expected: type) -> None:
    assert type(make_display(kind)) is expected


@pytest.mark.parametrize("kind", ["auto", "plain", "json"])
def test_off_a_terminal_it_is_plain_lines_on_stderr(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"  # nothing but the program's own; rich was not imported
    lines = done.stderr.splitlines()
    assert len(lines) in (3, 5)
    assert ("halved" in lines) == (kind != "json")


@pytest.mark.parametrize(("terminal", "is_live"), [("xterm", True), ("dumb", False)])
def test_on_a_terminal_it_is_live(terminal: str, is_live: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "auto"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": terminal},
            text=True,
            check=True,
        )
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == f"{is_live}\n"
    assert ("\x1b[" in shown) == is_live
    assert "halved" in shown
    assert "cells 1/1, images 2/2" in shown
