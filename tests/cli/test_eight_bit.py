"""``harness run`` with verdicts after rounding to 8 bits: by the suite, and by --eight-bit."""

from __future__ import annotations

import json
import sqlite3

import pytest

OVERLAY = """\
suites:
  rounded:
    dataset: digits
    models: [digits-alexnet]
    attacks:
      - {{attack: fgsm, goals: [untargeted], parameters: {{epsilon: 0.03}}, eight_bit: {fgsm}}}
      - {{attack: ifgsm, goals: [untargeted], parameters: {{steps: 4, attempts: 5}}}}
    metrics: [success, success_8bit]
"""


@pytest.fixture
def suite(tmp_path):
    """Writes the overlay; returns the arguments of a run of it."""

    def write(*, fgsm):
        (tmp_path / "rounded.yaml").write_text(OVERLAY.format(fgsm=fgsm))
        return ("run", "--registry", "rounded.yaml", "--suite", "rounded")

    return write


def rows(path="harness.db"):
    """(attack, image) -> (status, rounded_status, rounded_predicted, rounded_margin, rest)."""
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            "SELECT attack, image_id, status, rounded_status, rounded_predicted, rounded_margin,"
            " cell_key, predicted, margin, linf, forwards, backwards, label FROM samples"
        ).fetchall()
    return {row[:2]: row[2:] for row in found}


def judged(found, attack):
    """Whether each image of ``attack`` has the verdict, in any order."""
    return [row[1] is not None for (name, _), row in found.items() if name == attack]


def test_a_suite_says_which_attacks_have_it(harness, suite):
    done = harness(*suite(fgsm="true"), "--limit", 30)
    assert done.code == 0, done.err
    found = rows()
    assert not any(judged(found, "ifgsm"))
    for (attack, _), (status, rounded, predicted, margin, *_, label) in found.items():
        if attack == "fgsm":
            assert (rounded is not None) == (status in ("robust", "broken"))
            if rounded:
                assert (rounded == "broken") == (predicted != label) == (margin > 0)
    broken = sum(row[1] == "broken" for row in found.values())
    count = sum(judged(found, "fgsm"))
    key = next(row[4] for (attack, _), row in found.items() if attack == "fgsm")
    shown = harness("show", key).out
    value = f"{broken} of {count} ({100 * broken / count:.1f}%)"
    assert f"success rate after rounding to 8 bits {value}" in " ".join(shown.split())
    cell = json.loads(harness("show", key, "--format", "json").out)
    (score,) = [score for score in cell["scores"] if score["metric"] == "success_8bit"]
    assert (score["value"], score["images"]) == (pytest.approx(broken / count), count)
    other = next(row[4] for (attack, _), row in found.items() if attack == "ifgsm")
    assert "rounding" not in harness("show", other).out


def test_the_flag_is_for_all_attacks_and_changes_nothing_else(harness, suite):
    run = (*suite(fgsm="false"), "--limit", 20)
    assert harness(*run, "--db", "plain.db").code == 0
    assert harness(*run, "--db", "both.db", "--eight-bit").code == 0
    plain, both = rows("plain.db"), rows("both.db")
    assert {key: row[:1] + row[4:] for key, row in plain.items()} == {
        key: row[:1] + row[4:] for key, row in both.items()
    }
    assert not any(judged(plain, "fgsm") + judged(plain, "ifgsm"))
    attacked = [row for row in both.values() if row[0] in ("robust", "broken")]
    assert attacked
    assert all(row[1] for row in attacked)


def test_what_is_stored_is_not_computed_again_for_it(harness, suite):
    run = suite(fgsm="false")
    assert harness(*run, "--limit", 6).code == 0
    before = rows()
    again = harness(*run, "--limit", 6, "--eight-bit")
    assert (again.code, rows()) == (0, before)
    assert "nothing to do" in again.err
    assert harness(*run, "--limit", 12, "--eight-bit").code == 0
    grown = rows()
    assert before.items() <= grown.items()
    new = [row for key, row in grown.items() if key not in before]
    assert any(row[1] for row in new)
    assert len({row[4] for row in grown.values()}) == 2, "the option is not part of the key"
    # And without the option the verdicts that are there stay.
    assert "nothing to do" in harness(*run, "--limit", 12).err
    assert rows() == grown


def test_a_wrong_value_names_the_line(harness, suite):
    refused = harness(*suite(fgsm="sometimes"))
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "eight_bit" in refused.err
    assert "rounded.yaml:" in refused.err
