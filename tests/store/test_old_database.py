"""A database of an older version: every board shows what it showed, before migrations and after."""

from __future__ import annotations

import json
import lzma
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.store.database import open_readonly
from harness.store.schema.migrations import migrations
from harness.store.write.writer import Writer

OLD = Path(__file__).parent / "old"
SHOWN: dict[str, Any] = json.loads(lzma.decompress((OLD / "m005.json.xz").read_bytes()))
MODELS = "digits-alexnet,digits-mobilenet_v1_025,digits-resnet_v2_50"


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    path = tmp_path_factory.mktemp("old") / "old.db"
    path.write_bytes(lzma.decompress((OLD / "m005.db.xz").read_bytes()))
    path.chmod(0o444)
    return path


@pytest.fixture(scope="module")
def migrated(old):
    path = old.with_name("migrated.db")
    shutil.copyfile(old, path)
    Writer.open(path, command=["x"]).close()
    return path


COMPARE = "compare digits-alexnet digits-resnet_v2_50"
LATER = {
    COMPARE: ("kind", ["robust accuracy"]),
    "findings": (
        "name",
        [
            "law-ifgsm", "law-cw", "law-ead", "regimes-ifgsm", "regimes-cw", "regimes-ead",
            "targeted-transfer-low", "targeted-transfer-family", "targeted-transfer-epsilon",
            "clever-ranks", "clever-below", "clever-law-l2", "clever-law-linf", "least-likely-far",
        ],
    ),
}  # fmt: skip
"""By command, what the older version had no rows of: a column, and its values there, in order."""

NUMBERED = {COMPARE: {f"[{row}].p" for row in (8, 10, 20, 22, 24, 26)}}
"""What was null and is a number now: the p-values of distortions, of I-FGSM, C&W and EAD."""

WORDED = re.compile(r"\[\d+\]\.(title|claim|details\[\d+\])")
"""Texts of findings that may be worded anew."""


def values(value: Any, place: str = "") -> dict[str, Any]:
    """All values in what was printed, and how long its lists are, by their places."""
    if isinstance(value, dict):
        parts = [values(item, f"{place}.{key}") for key, item in value.items()]
    elif isinstance(value, list):
        parts = [{f"{place}[]": len(value)}]
        parts += [values(item, f"{place}[{i}]") for i, item in enumerate(value)]
    else:
        return {place: value}
    return {key: item for part in parts for key, item in part.items()}


@pytest.mark.parametrize("command", SHOWN)
def test_boards_of_an_older_version(harness, old, migrated, command):
    """New columns are all that may be printed besides, and the rows of `LATER`."""
    content = old.read_bytes()
    for path in (old, migrated):
        shown = harness(*command.split(), "--db", path, "--format", "json")
        assert shown.code == 0, shown.err
        before, now = SHOWN[command], json.loads(shown.out)
        if isinstance(before, list) and isinstance(now, dict):
            now = now["rows"]  # boards were arrays before they had an envelope
        column, later = LATER.get(command, ("", []))
        if later:
            known = {row[column] for row in before}
            added = [row[column] for row in now if row[column] not in known]
            assert list(dict.fromkeys(added)) == later
            now = [row for row in now if row[column] in known]
        was, found = values(before), values(now)
        assert was.keys() <= found.keys()
        changed = {place for place, value in was.items() if found[place] != value}
        if command == "findings":
            changed = {place for place in changed if not WORDED.fullmatch(place)}
        assert changed == NUMBERED.get(command, set())
        assert all(was[place] is None for place in changed)
        assert all(isinstance(found[place], float) for place in changed)
    assert old.read_bytes() == content
    assert [file.name for file in old.parent.glob("old.db*")] == ["old.db"]


def test_a_run_migrates_it_and_computes_nothing(harness, old, tmp_path):
    path = tmp_path / "h.db"
    shutil.copyfile(old, path)
    done = harness("run", "--suite", "digits18-full", "--models", MODELS, "--db", path)
    assert done.code == 0, done.err
    assert "6816 images found" in done.err
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(old)) as was:
        for table in ("images", "outcomes", "clean", "transfers", "arrays", "measured"):
            columns = [name for _, name, *_ in was.execute(f"PRAGMA table_info({table})")]
            rows = f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2, 3"
            assert now.execute(rows).fetchall() == was.execute(rows).fetchall(), table
        keys = "SELECT id, key FROM cells ORDER BY id"  # a label may be worded anew
        assert now.execute(keys).fetchall() == was.execute(keys).fetchall()


def test_an_older_database_is_merged_too(harness, old, tmp_path):
    path = tmp_path / "h.db"
    shutil.copyfile(old, path)
    merged = harness("merge", old, "--db", path, "--format", "json")
    assert merged.code == 0, merged.err
    assert all(row["added"] == row["conflicts"] == 0 for row in json.loads(merged.out))


def test_the_copy_of_an_older_database_cannot_be_written(old):
    db = open_readonly(old)
    assert migrations.pending(db) == []
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.conn.execute("DELETE FROM outcomes")
    db.close()
