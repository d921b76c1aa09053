"""Third parties: real wheels in an environment of their own, used by ``harness run``."""

from __future__ import annotations

import json
import sqlite3
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PYPROJECT = (HERE / "good" / "pyproject.toml").read_text()

BROKEN = {
    "import-error": "raise ImportError('libacme is not there')",
    "wrong-api": "HARNESS_API = 99",
    "name-clash": """
        from harness.api import hookimpl
        HARNESS_API = 0
        @hookimpl
        def register_attacks(register):
            register("ifgsm", "acme_name_clash:Nothing", version="1", summary="a clash")
    """,
    "raises": """
        from harness.api import Attack, Norm, hookimpl
        HARNESS_API = 0
        @hookimpl
        def register_attacks(register):
            register("raises", "acme_raises.attack:Raises", version="1", summary="raises")
    """,
}
ATTACKS = {
    "raises": """
        from harness.api import Attack, Norm
        class Raises(Attack):
            norm = Norm.LINF
            def perturb(self, target, batch):
                raise RuntimeError("the attack lost its way")
        class NaN(Attack):
            norm = Norm.LINF
            def perturb(self, target, batch):
                return batch.images * float("nan")
        class Outside(Attack):
            norm = Norm.LINF
            def perturb(self, target, batch):
                return batch.images + 2
    """
}
BROKEN["raises"] = BROKEN["raises"].replace(
    'summary="raises")',
    'summary="raises")\n'
    '            register("nan", "acme_raises.attack:NaN", version="1", summary="NaN")\n'
    '            register("outside", "acme_raises.attack:Outside", version="1", summary="out")',
)

SUITE = """
suites:
  third:
    summary: everything a third party can do
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 12
    accuracy_images: 12
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}}
ATTACKS
    metrics: [accuracy, acme-worst]
"""


def suite(*attacks: str) -> str:
    lines = "\n".join(f"      - {{attack: {name}, goals: [untargeted]}}" for name in attacks)
    return SUITE.replace("ATTACKS", lines)


def package(folder: Path, name: str, module: str, attack: str | None) -> Path:
    """A package like the good one, with a module of its own."""
    import_name = f"acme_{name.replace('-', '_')}"
    source = folder / name / "src" / import_name
    source.mkdir(parents=True)
    (source / "__init__.py").write_text(textwrap.dedent(module))
    if attack:
        (source / "attack.py").write_text(textwrap.dedent(attack))
    text = PYPROJECT.replace("acme-robustness", f"acme-{name}").replace(
        "acme_robustness", import_name
    )
    (folder / name / "pyproject.toml").write_text(text)
    return folder / name


@pytest.fixture(scope="module")
def environment(new_environment):
    environment = new_environment("third")
    folder = environment.folder
    environment.install(HERE / "good")
    for name, module in BROKEN.items():
        environment.install(package(folder, name, module, ATTACKS.get(name)))
    return environment


def test_list_names_every_plugin_and_what_is_wrong_with_it(environment):
    done = environment.harness("plugins", "list", "--format", "json")
    rows = {row["distribution"]: row for row in json.loads(done.stdout) if row["name"] == "acme"}
    good = rows["acme-robustness"]
    assert good["version"] == "2.3.4"
    assert good["status"] == "ok"
    assert "acme-noise" in str(good)
    assert "acme-worst" in str(good)
    assert "libacme is not there" in rows["acme-import-error"]["status"]
    assert "import" in rows["acme-import-error"]["status"]
    assert "99" in rows["acme-wrong-api"]["status"]
    clash = rows["acme-name-clash"]["status"]
    assert "'ifgsm'" in clash
    assert "frontier-harness" in clash
    assert "acme-name-clash" in clash


def test_run_uses_the_good_one_and_outlives_the_broken_ones(environment):
    overlay = environment.folder / "suite.yaml"
    overlay.write_text(suite("acme-noise", "raises", "nan", "outside"))
    db = environment.folder / "run.db"
    done = environment.harness("run", "--registry", overlay, "--suite", "third", "--db", db)
    assert done.returncode == 1, done.stderr
    for name in ("acme-import-error", "acme-wrong-api", "acme-name-clash"):
        assert name in done.stderr
    for said in ("the attack lost its way", "holds NaN", "leaves [0, 1]"):
        (line,) = [line for line in done.stderr.splitlines() if said in line]
        assert "plugin acme-raises:acme" in line
    with sqlite3.connect(db) as connection:
        statuses = {
            attack: set(found.split(","))
            for attack, found in connection.execute(
                "SELECT attack, group_concat(DISTINCT status) FROM samples"
                " WHERE status != 'clean_wrong' GROUP BY attack"
            )
        }
        worst = connection.execute(
            "SELECT scores.value, min(outcomes.linf) FROM scores"
            " JOIN outcomes USING (cell_id) JOIN cells ON cells.id = scores.cell_id"
            " WHERE metric = 'acme-worst' AND status = 'broken' GROUP BY cells.id"
        ).fetchall()
        errors = connection.execute("SELECT distribution FROM plugin_errors").fetchall()
    assert statuses["raises"] == {"error"}
    assert statuses["nan"] == {"invalid"}
    assert statuses["outside"] == {"invalid"}
    assert statuses["acme-noise"] <= {"robust", "broken"}
    assert statuses["fgsm"] <= {"robust", "broken"}
    assert worst
    assert all(value == smallest for value, smallest in worst)
    assert {name for (name,) in errors} == {
        "acme-import-error",
        "acme-wrong-api",
        "acme-name-clash",
    }
    again = environment.harness("run", "--registry", overlay, "--suite", "third", "--db", db)
    assert again.returncode == 1, "stored errors stay errors"
    assert "nothing to do" in again.stderr


def test_a_healthy_suite_exits_0_beside_broken_plugins(environment):
    overlay = environment.folder / "healthy.yaml"
    overlay.write_text(suite("acme-noise"))
    db = environment.folder / "healthy.db"
    done = environment.harness("run", "--registry", overlay, "--suite", "third", "--db", db)
    assert done.returncode == 0, done.stderr


def test_an_attack_that_only_a_broken_plugin_may_offer_exits_4_and_the_rest_runs(environment):
    overlay = environment.folder / "needed.yaml"
    overlay.write_text(suite("acme-noise", "acme-lost"))
    db = environment.folder / "needed.db"
    done = environment.harness("run", "--registry", overlay, "--suite", "third", "--db", db)
    assert done.returncode == 4, done.stderr
    assert "'acme-lost'" in done.stderr
    with sqlite3.connect(db) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (24,)
