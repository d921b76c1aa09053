"""``runs``, ``show`` and ``status``, run as commands on a real database."""

from __future__ import annotations

import json
import re

import pytest
import store_toy as toy

from harness.api import Status
from harness.cli.main import main
from harness.plugins import PluginReport
from harness.store.database import reading
from harness.store.write.writer import Writer

PLAN = toy.toy_plan(images=12, attacked=10)
CLEAN, KEY = (cell.key for cell in PLAN.cells)


@pytest.fixture
def path(tmp_path):
    """Ten attacked images: 5 broken, 2 robust, 1 of each other status; 12 clean ones."""
    path = tmp_path / "h.db"
    with Writer.open(path, command=["harness", "run"]) as writer:
        run = toy.begin(writer, PLAN)
        number = toy.attempt(writer, PLAN, cell=0, run=run)
        wrong = {"predicted": 8}
        writer.write_clean(number, [toy.clean(i, **(wrong if i == 7 else {})) for i in range(12)])
        writer.finish_attempt(number, status="done", seconds=1.0, halvings=0, error=None)
        number = toy.attempt(writer, PLAN, run=run)
        statuses = [Status.BROKEN] * 5 + [Status.ROBUST] * 2
        rows = [toy.outcome(i, status) for i, status in enumerate(statuses)]
        kept = writer.artifacts.append(KEY, toy.pictures(9))[0]
        rows += [
            toy.outcome(7, Status.CLEAN_WRONG, forwards=0, backwards=0),
            toy.outcome(8, Status.ERROR, error="plugin bad: raised ValueError: no"),
            toy.outcome(9, Status.INVALID, numbers={"epsilon": 0.25}),
        ]
        writer.write_outcomes(number, rows, {toy.name(9): kept})
        writer.finish_attempt(number, status="failed", seconds=2.0, halvings=1, error="bad: oh no")
        writer.write_scores(run, KEY, {"success": (5 / 7, 7, "%")})
        broken = PluginReport("bad", "bad-dist", "1", stage="import", cause="ImportError: x")
        writer.record_plugin_errors(run, [broken])
        writer.finish_run(run, status="failed", exit_code=1)
    return path


@pytest.fixture
def harness(path, capsys, monkeypatch):
    """Run a verb on the database; returns exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments), "--db", str(path)])
        return ended.value.code, *capsys.readouterr()

    return call


def fact(text, name):
    """The value beside a fact of a printed table."""
    return re.search(rf"^ {re.escape(name)}  +(.*?) *$", text, re.MULTILINE)[1]


def test_status(harness):
    code, out, _ = harness("status", "--cells")
    assert code == 0
    clean, attack = (line for line in out.splitlines() if " net " in line)
    assert re.search(rf"{CLEAN[:8]} +net +clean +– +12 +12 +correct 11, wrong 1 +1", clean)
    assert re.search(rf"{KEY[:8]} +net +fgsm +random +10 +10 .* 1 +bad: oh no", attack)
    assert "broken 5, clean_wrong 1, error 1, invalid 1, robust 2" in attack
    total = "run 1 failed: 22 of 22 images, 2 of 2 cells complete; error 1, invalid 1"
    assert out.splitlines()[-1].startswith(total)


def test_status_is_a_line_a_model_and_the_cells_that_want_something(harness, path):
    code, out, _ = harness("status")
    assert code == 0
    model, attack = (line for line in out.splitlines() if " net " in line)
    assert re.search(r" net +2 +2 +22 +22 +broken 5, clean_wrong 1, correct 11, error 1,", model)
    assert re.search(rf"{KEY[:8]} +net +fgsm +random +10 +10 .* 1 +bad: oh no", attack)
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, PLAN)
        writer.write_outcomes(number, [toy.outcome(8), toy.outcome(9)])
    _, out, _ = harness("status", "--run", 2)
    (model,) = (line for line in out.splitlines() if " net " in line)  # nothing else to say
    assert re.search(r" net +2 +2 +22 +22 +broken 7, ", model)


def test_status_counts_the_runs_images_alone(harness, path):
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, toy.toy_plan(images=20, attacked=4))
    code, out, err = harness("status", "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert [(row["done"], row["images"], row["attempts"]) for row in rows] == [
        (12, 20, 0),
        (4, 4, 0),
    ]
    assert rows[1]["statuses"] == {"broken": 4}
    assert "run 2 interrupted: 16 of 24 images, 1 of 2 cells complete" in err
    _, out, _ = harness("status", "--run", 1, "--format", "csv")
    assert out.splitlines()[0] == "key,model,attack,goal,done,images,statuses,attempts,error"
    assert "broken 5, clean_wrong 1" in out


def test_runs_list_tells_a_living_run_from_a_dead_one(harness, path, children):
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, PLAN)
        (_, out, _) = harness("runs", "list", "--format", "json")
        assert [(row["run"], row["status"]) for row in json.loads(out)] == [
            (2, "running"), (1, "failed"),
        ]  # fmt: skip
    _, out, _ = harness("runs", "list", "--format", "json")
    assert [row["status"] for row in json.loads(out)] == ["interrupted", "failed"]
    assert "toy" in harness("runs", "list")[1]


def test_runs_show(harness):
    _, out, _ = harness("runs", "show", 1)
    assert fact(out, "command") == "harness run"
    assert fact(out, "status") == "failed"
    assert fact(out, "exit code") == "1"
    assert fact(out, "broken plugin: bad") == "bad-dist 1, at import: ImportError: x"
    assert fact(out, "environment: python") == "3"
    _, out, _ = harness("runs", "show", 1, "--format", "json")
    run = json.loads(out)
    assert (run["definition"]["name"], run["definition"]["attacks"]) == ("toy", [])
    assert [cell["key"] for cell in run["cells"]] == [CLEAN, KEY]


def test_show_lists_the_cells(harness):
    _, out, _ = harness("show", "--format", "json")
    assert [(row["key"], row["attack"], row["goal"], row["images"]) for row in json.loads(out)] == [
        (CLEAN, "clean", None, 12), (KEY, "fgsm", "random", 10),
    ]  # fmt: skip


def test_show_a_cell(harness):
    code, out, _ = harness("show", KEY[:6])
    assert code == 0
    assert fact(out, "key") == KEY
    assert fact(out, "parameters") == "epsilon=0.1"
    assert fact(out, "statuses") == "broken 5, clean_wrong 1, error 1, invalid 1, robust 2"
    assert fact(out, "success rate") == "5 of 7 (71.4%)"
    assert "rounding" not in out
    # Broken: 0.1, 0.101 ... 0.104; with two failures as infinite the fourth of seven.
    assert fact(out, "median linf") == "0.102 over successes, 0.103 with failures as infinite"
    assert fact(out, "forward passes per image") == "2"
    assert fact(out, "metric success") == "71.4% (of 7 images, run 1)"
    assert "halved 1 time(s), 2.0 s, bad: oh no" in fact(out, "attempt 2")


def test_show_a_cell_that_was_judged_after_rounding_too(harness, path):
    """Of the images that have the verdict: one of three still breaks, the others are unjudged."""
    with Writer.open(path, command=["x"]) as writer:
        run = toy.begin(writer, toy.toy_plan(images=20, attacked=13))
        number = toy.attempt(writer, PLAN, run=run)
        rounded = [Status.BROKEN, Status.ROBUST, Status.ROBUST]
        writer.write_outcomes(
            number,
            [
                toy.outcome(i, rounded_status=status, rounded_predicted=i, rounded_margin=-0.5)
                for i, status in enumerate(rounded, start=10)
            ],
        )
    _, out, _ = harness("show", KEY)
    assert fact(out, "success rate") == "8 of 10 (80.0%)"
    assert fact(out, "success rate after rounding to 8 bits") == "1 of 3 (33.3%)"
    _, out, _ = harness("show", KEY, toy.name(11))
    assert fact(out, "rounded_status") == "robust"
    assert (fact(out, "rounded_predicted"), fact(out, "rounded_margin")) == ("11", "-0.5")


def test_show_a_clean_cell(harness):
    _, out, _ = harness("show", CLEAN.upper())
    assert fact(out, "accuracy") == "11 of 12 (91.7%)"
    _, out, _ = harness("show", CLEAN, toy.name(7))
    assert (fact(out, "label"), fact(out, "predicted")) == ("7", "8")


def test_show_an_image(harness):
    _, out, _ = harness("show", KEY, toy.name(9), "--format", "json")
    row = json.loads(out)
    assert row["status"] == "invalid"
    assert row["numbers"] == {"epsilon": 0.25}
    assert row["clean"]["predicted"] == 9
    assert (row["kept"]["row"], row["kept"]["path"]) == (0, f"open/{KEY}.shard")
    _, out, _ = harness("show", KEY, toy.name(8))
    assert fact(out, "error") == "plugin bad: raised ValueError: no"
    assert fact(out, "clean key") == CLEAN


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "abc"), "'abc' is not a cell; give 4 or more hex digits"),
        (("show", "no-cell"), "'no-cell' is not a cell"),
        (("show", KEY[:5] + "zz"), "is not a cell"),
        (("show", KEY, "dot-00009"), "unknown image 'dot-00009'; did you mean 'dot-0009'?"),
        (("runs", "show", 9), "there is no run 9; see `harness runs list`"),
        (("status", "--run", 9), "there is no run 9"),
    ],
)
def test_wrong_names(harness, arguments, message):
    code, out, err = harness(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_ambiguous_and_an_unknown_prefix(harness, path):
    with Writer.open(path, command=["x"]) as writer:
        for digit in "ab":
            writer.db.execute(
                "INSERT INTO cells (key, model_id, dataset_id, label, policy)"
                f" SELECT 'beef{digit}' || substr(key, 6), model_id, dataset_id, label, policy"
                " FROM cells WHERE id = 1"
            )
    code, _, err = harness("show", "beef")
    assert code == 2
    assert "'beef' begins 2 keys (beefa" in err
    code, _, err = harness("show", "beefc")
    assert (code, "unknown cell 'beefc'; did you mean 'beef" in err) == (2, True)


def test_the_curves_of_a_cell(harness, path):
    _, out, _ = harness("show", KEY, "--format", "json")
    curves = json.loads(out)["curves"]
    assert list(curves) == ["linf", "l2", "l1"]
    with reading(path) as connection:
        for norm, curve in curves.items():
            query = f"SELECT {norm} FROM outcomes WHERE status = 'broken' ORDER BY 1"
            broken = [size for (size,) in connection.execute(query)]
            assert curve["budgets"] == sorted(set(broken))
            assert curve["success"] == [
                sum(size <= budget for size in broken) / 7 for budget in curve["budgets"]
            ]
    _, out, _ = harness("show", KEY)
    # Of seven the fourth is the first with half of them broken; only five are.
    assert fact(out, "budget for 50% success").startswith("linf 0.103, l2 ")
    assert fact(out, "budget for 90% success") == "linf none, l2 none, l1 none"
    assert "success rate within the linf budget (pixel space [0, 1]), 7 attacked images" in out
    for line in out.splitlines()[-14:]:
        assert len(line) <= 80


def test_the_plot_is_for_people_alone(harness):
    for arguments in (("--format", "csv"), ("--format", "md"), (toy.name(1),)):
        assert "success rate within" not in harness("show", KEY, *arguments)[1]
    assert "curves" not in json.loads(harness("show", CLEAN, "--format", "json")[1])
    assert "success rate within" not in harness("show", CLEAN)[1]


@pytest.mark.parametrize(("encoding", "block"), [("utf-8", "█"), ("ascii", "#")])
def test_a_plot_takes_what_the_encoding_has(children, path, monkeypatch, encoding, block):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = children.python("-m", "harness", "show", KEY[:8], "--db", str(path))
    assert done.returncode == 0, done.stderr
    plot = done.stdout[done.stdout.index("success rate within") :]
    assert block in plot
    assert plot.isascii() == (encoding == "ascii")


def test_the_verbs_load_neither_torch_nor_scipy(harness, children, path):
    code = (
        "import sys; from harness.cli.main import cli;"
        f"[cli.main([*verb.split(), '--db', {str(path)!r}], standalone_mode=False)"
        f" for verb in ('status', 'show', 'show {KEY}', 'runs list', 'runs show 1')];"
        "heavy = {'torch', 'onnxruntime', 'timm', 'scipy'} & sys.modules.keys();"
        "assert not heavy, heavy"
    )
    done = children.python("-c", code)
    assert done.returncode == 0, done.stderr
