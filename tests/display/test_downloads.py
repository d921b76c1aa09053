"""How each display shows a download, which comes before the run's own progress."""

from __future__ import annotations

import io
import json

from rich.console import Console

from harness.display.jsonlines import JsonDisplay
from harness.display.live import LiveDisplay
from harness.display.plain import PlainDisplay

MB = 1_000_000


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_now_and_then_and_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    with PlainDisplay(stream, clock) as display:
        for second in range(21):
            display.download("alex\x1b[31mnet", second * MB, 20 * MB)
            clock.now += 1
        display.download("vgg", MB, None)
        display.start(cells=0, images=0)
    assert stream.getvalue().splitlines()[:5] == [
        "downloading alex\\u001b[31mnet: 0.0 of 20.0 MB",
        "downloading alex\\u001b[31mnet: 10.0 of 20.0 MB",
        "downloading alex\\u001b[31mnet: 20.0 of 20.0 MB",
        "downloading vgg: 1.0 MB",
        "0 cells, 0 images pending",
    ]


def test_json_tells_the_bytes() -> None:
    clock, stream = Clock(), io.StringIO()
    with JsonDisplay(stream, clock) as display:
        for done in (1, 2, 3):
            display.download("alexnet", done, 3)
        display.download("vgg", 7, None)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert events == [
        {"event": "download", "name": "alexnet", "bytes": 1, "total": 3},
        {"event": "download", "name": "alexnet", "bytes": 3, "total": 3},
        {"event": "download", "name": "vgg", "bytes": 7, "total": None},
    ]


def test_the_live_bar_gives_way_to_the_runs_own() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system=None)
    with LiveDisplay(console, Clock()) as display:
        display.download("[red]alexnet", MB, 3 * MB)
        display.download("[red]alexnet", 3 * MB, 3 * MB)
        display.download("vgg", MB, None)
        before = len(stream.getvalue())
        display.start(cells=1, images=2)
        display.advance(images=2, cells=1)
    shown = stream.getvalue()
    assert "downloaded [red]alexnet: 3.0 of 3.0 MB" in shown
    assert "vgg" not in shown[before:].splitlines()[-1]
    assert "cells 1/1" in shown[before:]


def test_a_broken_off_download_leaves_the_terminal_alone() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system=None)
    with LiveDisplay(console, Clock()) as display:
        display.download("alexnet", MB, 3 * MB)
    assert stream.getvalue().count("\x1b[?25h") == 1, "the cursor is shown again"
