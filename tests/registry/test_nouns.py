"""``list`` and ``show`` of the nouns, through the real command."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.api import Goal
from harness.registry import load

NOUNS = ("models", "attacks", "metrics", "datasets", "suites", "plugins")
HEAVY = ("torch", "onnxruntime", "timm", "scipy", "sklearn")
OVERLAY = """
models:
  "mine":
    loader: onnx
    family: Own
    classes: 3
    parameters: 1234567
    preprocessing: {size: [4, 5]}
    published: {top1: 12.5}
    notes: "[red]not markup[/red]"
"""
ODD = """
from typing import Literal
from pydantic import Field
from harness.api import Attack, Norm

class Needy(Attack):
    norm = Norm.L2
    radius: float = Field(gt=0, le=2, description="how far")
    mode: Literal["a", "b"] | None = None
    def perturb(self, target, batch): ...
"""


def command(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``harness`` as a process; ``path`` goes first on the import path."""
    old = os.environ.get("PYTHONPATH", "")
    paths = [str(path)] if path else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *old.split(os.pathsep)])}
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=Path(harness.__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def data(*arguments: str, path: Path | None = None) -> list[dict[str, object]]:
    done = command(*arguments, "--format", "json", path=path)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    path = tmp_path / "overlay.yaml"
    path.write_text(OVERLAY)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two plugins on disk: one that breaks, one whose targets are odd."""
    code = {
        "broken": "raise OSError('no [/red] licence')",
        "odd": "from harness.api import hookimpl\nHARNESS_API = 1\n"
        "@hookimpl\ndef register_attacks(register):\n"
        "    register('needy', 'odd_impl:Needy', version='1', summary='')\n"
        "    register('wrong', 'json:JSONDecoder', version='1', summary='')\n"
        "    register('gone', 'odd_impl:Gone', version='1', summary='')\n",
    }
    (tmp_path / "odd_impl.py").write_text(ODD)
    for name, text in code.items():
        (tmp_path / f"{name}_plugin.py").write_text(text)
        info = tmp_path / f"zz_{name}-1.5.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: zz-{name}\nVersion: 1.5\n"
        )
        info.joinpath("entry_points.txt").write_text(f"[harness]\n{name} = {name}_plugin\n")
    return tmp_path


@pytest.mark.parametrize("noun", NOUNS)
def test_lists_load_nothing_heavy(noun: str) -> None:
    program = (
        "import sys\nfrom harness.cli.main import main\n"
        f"try:\n    main(['{noun}', 'list'])\nexcept SystemExit as error:\n    code = error.code\n"
        f"print(code, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(harness.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "0 []"
    assert done.stdout.strip()


def test_models(overlay: Path) -> None:
    rows = data("models", "list", "--registry", str(overlay))
    registry = load([overlay])
    assert [row["name"] for row in rows] == [
        name for name, model in registry.models.items() if model.seed is None
    ]
    assert rows[-1] == {
        "name": "mine",
        "family": "Own",
        "training": "standard",
        "year": None,
        "layers": None,
        "parameters": 1234567,
        "published_top1": 12.5,
        "classes": 3,
        "loader": "onnx",
        "sources": [],
        "seeds": [],
    }


def test_a_model_in_full(overlay: Path) -> None:
    done = command("models", "show", "mine", "--registry", str(overlay), "--format", "json")
    model = json.loads(done.stdout)
    assert model["architecture"] == "mine"
    assert model["preprocessing"]["size"] == [4, 5]
    assert model["source"] == f"{overlay}:3"
    table = command("models", "show", "mine", "--registry", str(overlay)).stdout
    assert "[red]not markup[/red]" in table
    assert "1234567" in table


def test_the_environment_names_overlays_too(overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_REGISTRY", str(overlay))
    assert data("models", "list")[-1]["name"] == "mine"


def test_suites_as_csv() -> None:
    done = command("suites", "list", "--format", "csv")
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert list(rows) == [
        "digits18", "digits18-full", "digits18-seeds", "digits-robust", "imagenet-modern",
        "imagenet-robust", "photos", "imagenet18", "imagenet18-quick", "imagenet-linf4", "truth",
        "truth-full",
    ]  # fmt: skip
    assert rows["digits18"]["models"] == rows["imagenet18"]["models"] == "18"
    assert rows["digits18"]["attacks"] == "fgsm, ifgsm, cw, ead"


def test_a_suite_in_full() -> None:
    suite = json.loads(command("suites", "show", "digits18", "--format", "json").stdout)
    assert suite["models"] == ["digits-*"]
    assert len(suite["matching_models"]) == 18
    names = [attack["attack"] for attack in suite["attacks"]]
    assert list(dict.fromkeys(names)) == ["fgsm", "ifgsm", "cw", "ead"]
    markdown = command("suites", "show", "digits18", "--format", "md").stdout
    assert "| dataset | digits |" in markdown
    assert "| fgsm | untargeted, random |" in markdown
    table = csv.DictReader(
        io.StringIO(command("suites", "show", "digits18", "--format", "csv").stdout)
    )
    cells = {row["field"]: row["value"] for row in table}
    assert json.loads(cells["attacks"])[0]["attack"] == "fgsm"


def test_an_attack_in_full() -> None:
    attack = json.loads(command("attacks", "show", "ifgsm", "--format", "json").stdout)
    assert attack["norm"] == "linf"
    assert attack["kind"].startswith("minimum distortion")
    assert attack["goals"] == [goal.value for goal in Goal]
    assert (attack["access"], attack["stochastic"]) == ("white box", False)
    parameters = {row["name"]: row for row in attack["hyper_parameters"]}
    assert parameters["steps"]["type"] == "integer"
    assert parameters["steps"]["bounds"].startswith(">= 1")
    assert parameters["loss"]["type"] == "'cross-entropy' | 'logit'"
    assert (parameters["epsilon"]["type"], parameters["epsilon"]["bounds"]) == (
        "number | 'search'",
        "> 0",
    )
    assert all(row["description"] for row in parameters.values())
    assert "hyper parameters:" in command("attacks", "show", "ifgsm").stdout


def test_a_metric_in_full() -> None:
    metric = json.loads(command("metrics", "show", "linf", "--format", "json").stdout)
    assert (metric["unit"], metric["plugin"]) == ("px", "metrics")


def test_plugins_and_their_health(site: Path) -> None:
    rows = {str(row["distribution"]): row for row in data("plugins", "list", path=site)}
    assert rows["zz-broken"] == {
        "name": "broken",
        "distribution": "zz-broken",
        "version": "1.5",
        "status": "broken at import: OSError: no [/red] licence",
        "registers": [],
        "offers": {},
    }
    assert rows["zz-odd"]["registers"] == ["attack: needy, wrong, gone"]
    assert rows["zz-odd"]["offers"] == {"attack": ["needy", "wrong", "gone"]}
    assert rows["zz-odd"]["status"] == "ok"
    table = command("plugins", "list", path=site)
    assert table.returncode == 0
    assert "broken at import: OSError: no [/red] licence" in table.stdout


def test_a_plugin_that_registers_much_stays_readable(tmp_path: Path) -> None:
    """Two hundred attacks are a line: the first names and how many there are."""
    (tmp_path / "many.py").write_text(
        "from harness.api import hookimpl\nHARNESS_API = 1\n"
        "@hookimpl\ndef register_attacks(register):\n"
        "    for n in range(200): register(f'many-{n}', 'many:X', version='1', summary='')\n"
        "@hookimpl\ndef register_registries(register):\n"
        "    register('zoo', 'many:zoo.yaml', version='1', summary='')\n"
    )
    info = tmp_path / "zz_many-1.5.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: zz-many\nVersion: 1.5\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nmany = many\n")
    table = command("plugins", "list", path=tmp_path).stdout
    assert "many-0, many-1, many-2, many-3, many-4, ... (200 in all);" in table
    assert "registry: zoo" in table
    assert "many-5" not in table
    assert "many-199" in command("plugins", "show", "many", path=tmp_path).stdout


def test_a_plugin_in_full(site: Path) -> None:
    for name in ("odd", "zz-odd:odd"):
        done = command("plugins", "show", name, "--format", "json", path=site)
        plugin = json.loads(done.stdout)
        assert [row["name"] for row in plugin["registered"]] == ["needy", "wrong", "gone"]
        assert plugin["registered"][0]["target"] == "odd_impl:Needy"


def test_two_plugins_of_one_name(site: Path) -> None:
    (site / "zz_odd-1.5.dist-info" / "entry_points.txt").write_text(
        "[harness]\nbroken = odd_plugin\n"
    )
    done = command("plugins", "show", "broken", path=site)
    assert done.returncode == 2
    assert done.stderr == (
        "error: several plugins are called 'broken'; use zz-broken:broken or zz-odd:broken\n"
    )
    assert command("plugins", "show", "zz-odd:broken", path=site).returncode == 0


def test_lists_of_components_name_broken_plugins_on_stderr(site: Path) -> None:
    done = command("attacks", "list", "--format", "json", path=site)
    assert {"fgsm", "ifgsm", "needy"} <= {row["name"] for row in json.loads(done.stdout)}
    assert done.stderr == (
        "warning: plugin broken (zz-broken 1.5) is broken at import: OSError: no [/red] licence\n"
    )


def test_an_attack_with_required_parameters(site: Path) -> None:
    done = command("attacks", "show", "needy", "--format", "json", path=site)
    attack = json.loads(done.stdout)
    assert attack["kind"] == "depends on the parameters"
    assert attack["hyper_parameters"] == [
        {
            "name": "radius",
            "type": "number",
            "default": "(required)",
            "bounds": "> 0, <= 2",
            "description": "how far",
        },
        {
            "name": "mode",
            "type": "'a' | 'b' | null",
            "default": None,
            "bounds": "",
            "description": "",
        },
    ]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("wrong", "json:JSONDecoder is not a subclass of AttackParameters"),
        ("gone", "attack 'gone' cannot be imported from odd_impl:Gone: AttributeError"),
    ],
)
def test_targets_that_are_no_attacks(name: str, cause: str, site: Path) -> None:
    done = command("attacks", "show", name, path=site)
    assert done.returncode == 4
    assert f"error: plugin odd (zz-odd): {cause}" in done.stderr


@pytest.mark.parametrize(
    ("noun", "wrong", "line"),
    [
        (
            "models",
            "digits-alxnet",
            "unknown model 'digits-alxnet'; did you mean 'digits-alexnet'?",
        ),
        ("attacks", "ifgms", "unknown attack 'ifgms'; did you mean 'ifgsm'?"),
        ("metrics", "acuracy", "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ("datasets", "digts", "unknown dataset 'digts'; did you mean 'digits'?"),
        ("suites", "digit18", "unknown suite 'digit18'; did you mean 'digits18'?"),
        ("plugins", "atacks", "unknown plugin 'atacks'; did you mean 'attacks'?"),
    ],
)
def test_wrong_names(noun: str, wrong: str, line: str) -> None:
    done = command(noun, "show", wrong)
    if noun in ("models", "datasets", "suites"):
        line += " (--registry FILE knows those of an overlay)"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {line}\n")


def test_a_wrong_registry(overlay: Path) -> None:
    overlay.write_text(OVERLAY.replace("family:", "familly:"))
    done = command("models", "list", "--registry", str(overlay))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {overlay}:5: models.mine.familly: unknown field 'familly'; "
        "did you mean 'family'?\n"
    )
    done = command("suites", "list", "--registry", str(overlay.parent / "none.yaml"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {overlay.parent}/none.yaml: no such registry file")
