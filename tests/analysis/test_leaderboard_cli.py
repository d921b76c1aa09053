from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from statistics import median
from typing import Any

import pytest

MODELS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
FORBIDDEN = ("torch", "onnxruntime", "timm", "scipy", "pandas", "sklearn")


@pytest.fixture
def filled(bench: Any, define: Any) -> Any:
    """Six models over two runs, one of them half done, one not run."""
    fgsm = {"name": "fgsm", "label": "fgsm", "norm": "linf", "budget": 0.3, "goals": ["random"]}
    ifgsm = {**fgsm, "name": "ifgsm", "label": "ifgsm", "budget": None}
    for images in (10, 20):
        bench.run(define([*MODELS, "eta"], [fgsm, ifgsm]), images)
        for number, model in enumerate(MODELS):
            errors = 2 * number
            bench.clean(
                model, [i >= errors for i in range(images)], published={"top1": 50 + number}
            )
            rows: list[Any] = [
                "w" if i < errors else 0.01 * (number + 1) + 0.001 * i for i in range(images)
            ]
            rows[-1] = None if model == "zeta" and images == 20 else "r"
            bench.attack(model, rows)
            bench.attack(
                model, ["b" if row == "r" else row for row in rows], attack="fgsm", budget=0.3
            )
            bench.commit()
    return bench


def leaderboard(bench: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "leaderboard", "--db", str(bench.path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def refuse(constant: str) -> float:
    raise AssertionError(f"JSON holds {constant}")


def parsed(bench: Any, *arguments: str) -> list[dict[str, Any]]:
    done = leaderboard(bench, "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout, parse_constant=refuse)["rows"]
    return rows


def test_json_is_an_array_of_one_object_a_model(filled: Any) -> None:
    rows = parsed(filled)
    assert {row["model"] for row in rows} == {*MODELS, "eta"}
    wanted = {"model", "family", "parameters", "top1", "images", "success", "distortion_mean",
              "distortion_median", "frontier_distance", "complete"}  # fmt: skip
    assert all(wanted <= set(row) for row in rows)
    assert [row["model"] for row in rows if not row["complete"]] == ["zeta", "eta"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6, None]


def test_the_numbers_equal_plain_sql(filled: Any) -> None:
    """Everything on the board, by SQL written apart from the harness's own."""
    sql = filled.sql
    cells = """
        SELECT models.name, cells.id FROM cells JOIN components AS models
        ON models.id = cells.model_id WHERE cells.label = 'ifgsm' AND cells.goal = 'random'"""
    rows = {row["model"]: row for row in parsed(filled)}
    for model, cell in sql.execute(cells).fetchall():
        row = rows[model]
        of_cell = f"FROM outcomes WHERE cell_id = {cell} AND status"
        broken = [size for (size,) in sql.execute(f"SELECT linf {of_cell} = 'broken'")]
        attacked = sql.execute(f"SELECT count(*) {of_cell} IN ('broken', 'robust')").fetchone()[0]
        top1, images = sql.execute(
            "SELECT avg(correct), count(correct) FROM clean_predictions WHERE model = ?", (model,)
        ).fetchone()
        assert (row["broken"], row["attacked"], row["images"]) == (len(broken), attacked, 20)
        assert row["success"] == pytest.approx(len(broken) / attacked)
        assert row["distortion_mean"] == pytest.approx(sum(broken) / len(broken))
        assert row["distortion_median"] == pytest.approx(median(broken))
        assert (row["top1"], row["top1_images"]) == (pytest.approx(top1), images)
    members = [row for row in rows.values() if row["on_frontier"]]
    assert len(members) == 6
    u = [math.log((1 - row["top1"]) or 0.5 / row["top1_images"]) for row in members]
    y = [row["distortion_mean"] for row in members]
    centre = sum(u) / len(u), sum(y) / len(y)
    b = sum((p - centre[0]) * (q - centre[1]) for p, q in zip(u, y, strict=True))
    b /= sum((p - centre[0]) ** 2 for p in u)
    for p, row in zip(u, members, strict=True):
        fitted = centre[1] + b * (p - centre[0])
        assert row["frontier_distance"] == pytest.approx(row["distortion_mean"] - fitted)


def test_csv_and_json_keep_their_footnotes_off_stdout(filled: Any) -> None:
    done = leaderboard(filled, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    expected = parsed(filled)
    assert [row["model"] for row in rows] == [row["model"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row["distortion_mean"] == ("" if other["distortion_mean"] is None
                                          else repr(other["distortion_mean"]))  # fmt: skip
    assert "frontier: y = a + b ln(1 - top-1)" in done.stderr


@pytest.mark.parametrize("format", ["table", "md"])
def test_people_see_every_model_every_number_and_the_notes(filled: Any, format: str) -> None:
    done = leaderboard(filled, "--format", format)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (*MODELS, "eta", "R²", "members", "18/20", "‡ zeta: of 20 images 1 missing",
                 "‡ eta: not run", "† success rate under 95%", "(95% CI)",
                 "pixel space"):  # fmt: skip
        assert text in done.stdout
    assert "…" not in done.stdout
    if format == "md":
        table = [line for line in done.stdout.splitlines() if line.startswith("|")]
        assert len(table) == 2 + 7
        assert len({line.count("|") for line in table}) == 1


def test_published_accuracy_and_sorting(filled: Any) -> None:
    rows = parsed(filled, "--accuracy", "published", "--sort", "accuracy")
    assert [row["model"] for row in rows] == [*reversed(MODELS), "eta"]
    assert rows[0]["top1"] == 0.55


def test_a_wrong_name_is_one_line_and_exit_code_2(filled: Any) -> None:
    done = leaderboard(filled, "--attack", "igfsm")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --attack: unknown attack 'igfsm'; did you mean 'ifgsm'?\n"


def test_an_installed_attack_is_no_slip_of_the_pen(filled: Any) -> None:
    done = leaderboard(filled, "--attack", "ead")
    assert (done.returncode, done.stdout) == (2, "")
    said = "error: --attack: 'ead' is installed, but the suite's runs hold no attack of this name;"
    assert done.stderr.startswith(said)


def test_no_database_is_one_line(tmp_path: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "leaderboard", "--db", str(tmp_path / "none.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert "none.db" in done.stderr


def test_heavy_packages_stay_unloaded(filled: Any) -> None:
    program = (
        "import sys\n"
        "from harness.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules], file=sys.stderr)\n"
    )
    filled.sql.execute(
        "UPDATE runs SET definition = json_set(definition, '$.metrics', json('[\"success\"]'))"
    )
    filled.sql.execute("UPDATE components SET about = json_set(about, '$.shape', json('[3,2,2]'))")
    filled.commit()
    for arguments in ((), ("--format", "json")):
        done = subprocess.run(
            [sys.executable, "-c", program, "leaderboard", "--db", str(filled.path), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.splitlines()[-1] == "[]"
    rows = json.loads(done.stdout)["rows"]
    assert any(row["metrics"] for row in rows)
    for row in rows:
        assert row["metrics"] in ({}, {"success": row["success"]})


def test_ranks_and_seeds_are_tables_without_a_frontier(filled: Any) -> None:
    refused = leaderboard(filled, "--ranks", "holm", "--sort", "accuracy")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--sort: --ranks tests the models' robustness, without a frontier" in refused.stderr
    done = leaderboard(filled, "--seeds")
    assert done.returncode == 2
    assert "has results from several training seeds" in done.stderr
