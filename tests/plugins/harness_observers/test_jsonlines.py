"""The file of JSON lines: every event of a real run, as the display prints them."""

from __future__ import annotations

import json

import pytest


def test_a_run_in_a_file(harness, overlay, tmp_path):
    done = harness(
        "run", "--registry", overlay, "--suite", "small", "--models", "digits-alexnet",
        "--attacks", "fgsm", "--limit", 3, "--progress", "json",
        "--observe", "jsonlines:path=x.jsonl",
    )  # fmt: skip
    assert done.code == 0, done.err
    events = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    printed = [json.loads(line) for line in done.err.splitlines()]
    both = [event for event in printed if event["event"] not in ("workers", "finish", "download")]
    names = [event["event"] for event in events]
    assert names == [event["event"] for event in both]
    assert (names[0], names[-1]) == ("run", "summary")
    run, summary = events[0], events[-1]
    assert (run["suite"], run["models"], run["run"]) == ("small", ["digits-alexnet"], 1)
    assert [cell["goal"] for cell in run["cells"]] == [None, "untargeted", "random"]
    assert summary["counts"]["robust"] + summary["counts"]["broken"] == 6
    assert all(event["time"].endswith("+00:00") for event in events)
    for event, shown in zip(events, both, strict=True):
        if event["event"] != "progress":  # of another clock
            assert {key: value for key, value in event.items() if key != "time"} == shown | (
                {"time": shown["time"]} if "time" in shown else {}
            ) or event["event"] == "run"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_messages_are_json_lines_too(harness, overlay, monkeypatch, how):
    asked = ("--progress", "json") if how == "option" else ()
    if how == "variable":
        monkeypatch.setenv("HARNESS_PROGRESS", "json")
    for wrong, code in (
        (("--suite", "smal"), 2),
        (("--suite", "small", "--no-such-option"), 2),
        ((), 2),
        (("--suite", "small", "--limit", "many"), 2),
        (("--suite", "imagenet18", "--models", "nothing"), 2),
        (("--suite", "imagenet18", "--limit", 1), 3),
    ):
        done = harness("run", "--registry", overlay, *asked, *wrong)
        *before, last = [json.loads(line) for line in done.err.splitlines()]
        assert (done.code, last["event"], last["exit_code"]) == (code, "error", code)
        assert last["text"]
        assert {event["event"] for event in before} <= {"say", "summary"}
    # Elsewhere messages are for people.
    plain = harness("run", "--registry", overlay, "--suite", "smal", "--progress", "plain")
    assert plain.err.startswith("error: ")
    assert harness("leaderboard", "--db", "no.db").err.startswith("error: ")


def test_another_run_is_appended(harness, overlay, tmp_path):
    command = (
        "run", "--registry", overlay, "--suite", "small", "--models", "digits-alexnet",
        "--attacks", "fgsm", "--limit", 2, "--observe", "jsonlines:path=x.jsonl",
    )  # fmt: skip
    assert [harness(*command).code, harness(*command).code] == [0, 0]
    events = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [event["run"] for event in events if event["event"] == "run"] == [1, 2]


def test_bad_options(harness, overlay, tmp_path):
    run = ("run", "--registry", overlay, "--suite", "small", "--observe")
    for asked in ("jsonlins", "jsonlines", "jsonlines:file=x", "jsonlines:path=no/x"):
        done = harness(*run, asked)
        assert done.code == 2, (asked, done.err)
        assert done.err.count("\n") == 1, done.err
    assert not (tmp_path / "harness.db").exists()


def test_it_is_listed_and_shown(harness):
    assert "jsonlines" in harness("observers", "list").out
    shown = json.loads(harness("observers", "show", "jsonlines", "--format", "json").out)
    assert [option["name"] for option in shown["options"]] == ["path"]
