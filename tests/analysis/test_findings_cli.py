"""``harness findings`` on a real database: from rows to what people read."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import Any

import pytest
from board_toy import Bench
from boards import results
from transfer_toy import Toy, attack, clean_cells, panel

from harness.analysis.evidence import gather
from harness.analysis.findings import Found, check
from harness.analysis.results import SuiteResults
from harness.errors import ConfigError
from harness.plugins import installed

FAMILIES = {
    "vgg0": "VGG", "vgg1": "VGG", "res0": "ResNet", "res1": "ResNet",
    "inc0": "Inception", "inc1": "Inception", "mob0": "MobileNet", "mob1": "MobileNet",
    "alex": "AlexNet",
}  # fmt: skip
IMAGES = 20
FORBIDDEN = ("torch", "onnxruntime", "timm", "scipy", "scipy.stats", "altair", "matplotlib")


def findings(suite: SuiteResults) -> tuple[Found, ...]:
    return check(gather(suite), installed())


@pytest.fixture
def filled(bench: Bench, define: Any) -> Bench:
    """Eight models; I-FGSM at two epsilons with transfers, C&W at two kappas without."""
    attacks = [
        attack("ifgsm epsilon=0.1 steps=10", "untargeted", budget=0.1),
        attack("ifgsm epsilon=0.2 steps=10", "untargeted", budget=0.2),
        {**attack("cw", "random"), "norm": "l2"},
        {**attack("cw kappa=40", "random"), "norm": "l2"},
    ]
    toy = Toy(dict(FAMILIES))
    for model in FAMILIES:
        toy.clean[model] = [True] * IMAGES
        toy.statuses[model] = ["b"] * IMAGES
    bench.run(define(list(FAMILIES), attacks), IMAGES)
    clean = clean_cells(bench, toy)
    for epsilon, rate in ((0.1, 4), (0.2, 12)):
        for source, family in FAMILIES.items():
            for target in FAMILIES:
                hits = rate + 4 * (family == "VGG") + 2 * (family == FAMILIES[target])
                toy.borders[source, target] = "none"
                toy.ranks[source, target] = {i: int(i < hits) for i in range(IMAGES)}
        panel(
            bench, toy, clean, attack="ifgsm", label=f"ifgsm epsilon={epsilon} steps=10",
            goal="untargeted", budget=epsilon,
        )  # fmt: skip
    for number, model in enumerate(FAMILIES):
        rows: list[Any] = [0.1 * (number + 1)] * (IMAGES - 3)
        bench.attack(model, [*rows, "r", "w", "e"], attack="cw", norm="l2")
        bench.attack(model, [*rows, "r", "r", None], attack="cw", label="cw kappa=40", norm="l2")
    # The margin of half of the last attack's successes stays under kappa.
    bench.sql.execute(
        "UPDATE outcomes SET confident = 0 WHERE image_id % 2 AND cell_id IN"
        " (SELECT id FROM cells WHERE label = 'cw kappa=40')"
    )
    bench.commit()
    return bench


def verb(bench: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "findings", "--db", str(bench.path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rows_become_evidence(filled: Bench) -> None:
    there = gather(results(filled.sql))
    assert [trial.title for trial in there.trials] == [
        "ifgsm epsilon=0.1 steps=10, untargeted",
        "ifgsm epsilon=0.2 steps=10, untargeted",
        "cw, random",
        "cw kappa=40, random",
    ]
    assert (len(there.matrices), there.models["vgg0"].family) == (2, "VGG")
    plain, large = (trial.outcomes["res0"] for trial in there.trials[2:])
    assert (plain.broken, plain.attacked, plain.unknown, plain.confident) == (17, 18, 1, 17)
    assert plain.mean == pytest.approx(0.3)
    assert (large.broken, large.attacked, large.unknown) == (17, 19, 1)
    expected = filled.sql.execute(
        "SELECT sum(confident) FROM samples WHERE model = 'res0' AND attack_label = 'cw kappa=40'"
    ).fetchone()
    assert (large.confident,) == expected
    assert len(there.trials[2].right["res0"]) == IMAGES


def test_planted_claims(filled: Bench) -> None:
    verdicts = {each.name: each.verdict for each in findings(results(filled.sql))}
    assert verdicts["transfer-epsilon"] == "holds"
    assert verdicts["transfer-within-family"] == "holds"
    assert verdicts["vgg-stripes"] == "holds"
    assert verdicts["cw-ead-strong"] == "not enough data"
    assert verdicts["fgsm-targeted-weak"] == "not enough data"


def test_cells_that_no_run_reached_are_named(filled: Bench, define: Any) -> None:
    filled.run(define([*FAMILIES, "late"], [attack("cw", "random")]), IMAGES)
    found = {each.name: each for each in findings(results(filled.sql))}
    assert "cw, random: without results: late" in found["cw-ead-strong"].details


def test_an_empty_run_and_a_wrong_suite(bench: Bench, define: Any) -> None:
    with pytest.raises(ConfigError, match="no runs"):
        findings(results(bench.sql))
    bench.run(define(["a"]), 3)
    assert {each.verdict for each in findings(results(bench.sql))} == {"not enough data"}
    with pytest.raises(ConfigError, match="other"):
        findings(results(bench.sql, "other"))


@pytest.mark.parametrize("format", ["table", "md"])
def test_people_see_every_claim_and_the_rules(filled: Bench, format: str) -> None:
    done = verb(filled, "--format", format)
    assert (done.returncode, done.stderr) == (0, "")
    for found in findings(results(filled.sql)):
        texts = (found.title, found.figure, found.claim, found.source, found.plugin)
        for text in (*texts, *found.details):
            assert text in done.stdout
    assert "✓ holds" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_and_csv(filled: Bench) -> None:
    done = verb(filled, "--format", "json")
    rows = json.loads(done.stdout, parse_constant=pytest.fail)["rows"]
    expected = findings(results(filled.sql))
    assert [row["name"] for row in rows] == [each.name for each in expected]
    for row, each in zip(rows, expected, strict=True):
        assert (row["verdict"], row["details"]) == (each.verdict, list(each.details))
        assert (row["low"], row["high"]) == (each.interval or (None, None))
    done = verb(filled, "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [line["verdict"] for line in lines] == [each.verdict for each in expected]
    assert "rule: " in done.stderr


def test_verdicts_are_coloured_on_a_terminal(
    filled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from harness.cli.findings import findings as command

    monkeypatch.delenv("NO_COLOR", raising=False)
    arguments = ["--db", str(filled.path)]
    shown = CliRunner().invoke(command, arguments, color=True).output
    assert "\x1b[32m✓ holds\x1b[0m" in shown
    assert "\x1b[33m? not enough data\x1b[0m" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in CliRunner().invoke(command, arguments, color=True).output


def test_a_wrong_suite_is_one_line_and_exit_code_2(filled: Bench) -> None:
    done = verb(filled, "--suite", "tyo")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("fitted", [False, True])
def test_heavy_packages_stay_unloaded(filled: Bench, define: Any, fitted: bool) -> None:
    """Laws are fitted by scipy.optimize, to eight models and more; scipy.stats is never needed."""
    if not fitted:
        filled.run(define(["vgg0", "vgg1", "res0"], [attack("cw", "random")]), IMAGES)
    program = (
        "import sys\n"
        "from harness.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "findings", "--db", str(filled.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines() == [str(["scipy"] if fitted else [])]
