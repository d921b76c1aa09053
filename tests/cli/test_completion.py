"""Completion: in a real bash, by the script that the harness makes for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from harness.cli.completion import VARIABLE
from harness.cli.main import cli

SCRIPTS = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}

ASK = """
eval "$(_HARNESS_COMPLETE=bash_source harness)"
complete -p harness
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "$line"
  [[ $line == *' ' ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _harness_completion harness
  echo "${COMPREPLY[@]}"
done
"""

IN_BASH = {
    "harness ru": {"run", "runs"},
    "harness run --suite dig": {"digits18", "digits18-full", "digits18-seeds", "digits-robust"},
    "harness run --models digits-vgg16,digits-al": {"digits-vgg16,digits-alexnet"},
    "harness run --registry broken.yaml --suite d": set(),
    "harness run --progress js": {"json"},
}

WANTED = {
    "run --suit": {"--suite"},
    "run --suite digits18 --models digits-vgg": {"digits-vgg16", "digits-vgg19"},
    "plan --attacks fg": {"fgsm"},
    "run --attacks fgsm,cle": {"fgsm,clever"},
    "leaderboard --goal ra": {"random"},
    "run --executor in": {"inline"},
    "run --observe js": {"jsonlines"},
    "attacks show if": {"ifgsm"},
    "suites show digits18-": {"digits18-full", "digits18-seeds"},
    "models i": {"import"},
    "compare --db kept.db digits-al": {"digits-alexnet"},
    "leaderboard --db kept.db --suite ke": {"kept"},
    "nonsense --de": {"--debug"},
    "compare --db broken.yaml d": set(),
}


@pytest.fixture
def here(kept_run, tmp_path, monkeypatch):
    kept_run.rename(tmp_path / "kept.db")
    (tmp_path / "broken.yaml").write_text("models: [")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names(here):
    asked = get_completion_class("bash")(cli, {}, "harness", VARIABLE)
    for line, wanted in WANTED.items():
        *words, last = line.split(" ")
        assert {item.value for item in asked.get_completions(words, last)} == wanted, line


def test_bash(here):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK],
        cwd=here,
        env=ENVIRONMENT,
        input="".join(f"{line}\n" for line in IN_BASH),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    bound, *found = done.stdout.splitlines()
    assert bound == "complete -o nosort -F _harness_completion harness"
    assert dict(zip(IN_BASH, map(set, map(str.split, found)), strict=True)) == IN_BASH


@pytest.mark.parametrize(("shell", "text"), [("zsh", "compdef"), ("fish", "complete --no-files")])
def test_scripts_of_other_shells(shell, text):
    environment = ENVIRONMENT | {"_HARNESS_COMPLETE": f"{shell}_source"}
    done = subprocess.run(["harness"], env=environment, capture_output=True, text=True, check=True)
    assert text in done.stdout
    assert "_HARNESS_COMPLETE" in done.stdout
    assert done.stderr == ""
    words = {"zsh": {"COMP_WORDS": "harness ru", "COMP_CWORD": "1"},
             "fish": {"COMP_WORDS": "harness ru", "COMP_CWORD": "ru"}}[shell]  # fmt: skip
    environment = ENVIRONMENT | words | {"_HARNESS_COMPLETE": f"{shell}_complete"}
    done = subprocess.run(["harness"], env=environment, capture_output=True, text=True, check=True)
    assert "Run a suite, or resume it." in done.stdout


def test_it_loads_nothing_heavy(tmp_path):
    program = (
        "import sys\n"
        "from harness.cli.main import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'onnxruntime', 'timm', 'pandas'} & sys.modules.keys()))\n"
    )
    for words in ("harness run --attacks f", "harness run --executor i"):
        asked = {"_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=ENVIRONMENT | asked, cwd=tmp_path,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "[]"
        assert len(done.stdout.splitlines()) > 1


def test_an_unknown_shell_is_no_error():
    environment = ENVIRONMENT | {"_HARNESS_COMPLETE": "tcsh_source"}
    done = subprocess.run(["harness"], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
