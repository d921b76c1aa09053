"""Kept images: sealed under their content, and never named before they are on the disk."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat

import numpy as np
import pytest
import store_toy as toy
from safetensors.numpy import load_file, save_file

from harness.errors import StoreError
from harness.sealed import read_rows
from harness.store import artifacts
from harness.store.artifacts import folder_of, load
from harness.store.database import reading
from harness.store.export import export
from harness.store.merge.merge import merge
from harness.store.read.candidates import candidates
from harness.store.write.writer import Writer

KEY = toy.toy_plan().cells[1].key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "h.db"


def files(path):
    folder = folder_of(path)
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def check_kept(path, expected):
    """Every stored outcome names exactly its own image, and nothing else lies about."""
    with reading(path) as db:
        rows = db.execute(
            "SELECT images.name, artifact_id, artifact_row FROM outcomes"
            " JOIN images ON images.id = image_id ORDER BY images.name"
        ).fetchall()
        assert [row[0] for row in rows] == [toy.name(i) for i in expected]
        for name, artifact, row in rows:
            image = load(db, artifact, row)
            np.testing.assert_array_equal(image, np.full(toy.SHAPE, int(name[-4:]), np.float32))
        named = [name for (name,) in db.execute("SELECT DISTINCT path FROM artifacts")]
    assert files(path) == sorted(named)


def test_append_seal_load(path):
    plan = toy.toy_plan()
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, plan)
        toy.keep_and_write(writer, number, KEY, 0, 1)
        toy.keep_and_write(writer, number, KEY, 2)
        check_kept(path, [0, 1, 2])  # from the open shard
        writer.artifacts.seal(KEY)
        writer.artifacts.seal(KEY)  # nothing left to do
        check_kept(path, [0, 1, 2])
    (name,) = files(path)
    sealed = folder_of(path) / name
    assert name == hashlib.sha256(sealed.read_bytes()).hexdigest() + ".safetensors"
    np.testing.assert_array_equal(load_file(sealed)["images"], toy.pictures(0, 1, 2))
    with reading(path) as db:
        (row,) = db.query("SELECT * FROM artifacts")
    assert (row["images"], row["bytes"]) == (3, sealed.stat().st_size)
    assert f"{row['sha256']}.safetensors" == row["path"] == name


def test_sealed_files_are_what_the_library_writes(path, tmp_path):
    plan = toy.toy_plan()
    with Writer.open(path, command=["x"]) as writer:
        toy.keep_and_write(writer, toy.attempt(writer, plan), KEY, 0, 1, 2)
        writer.artifacts.seal(KEY)
    save_file({"images": toy.pictures(0, 1, 2)}, tmp_path / "x", metadata={"cell": KEY})
    (name,) = files(path)
    assert (folder_of(path) / name).read_bytes() == (tmp_path / "x").read_bytes()


def test_a_file_that_changed_is_not_read(path):
    with Writer.open(path, command=["x"]) as writer:
        toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 0, 1)
        writer.artifacts.seal(KEY)
    (name,) = files(path)
    file = folder_of(path) / name
    whole = file.read_bytes()
    with reading(path) as db:
        candidate = candidates(db, KEY)[0]
        assert read_rows([candidate.saved]).shape == (1, *toy.SHAPE)
        file.write_bytes(whole[:-4] + b"\0\0\0\0")
        for look in (lambda: load(db, 1, 0), lambda: read_rows([candidate.saved])):
            with pytest.raises(
                StoreError, match=rf"{name}: .*is damaged.*`harness verify --repair`"
            ):
                look()
        file.write_bytes(whole)
        assert read_rows([candidate.saved]).shape == load(db, 1, 0)[None].shape


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(path):
    with Writer.open(path, command=["x"]) as writer:
        toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 0)
        writer.artifacts.seal(KEY)
        (name,) = files(path)
        (folder_of(path) / name).unlink()
        os.mkfifo(folder_of(path) / name)
        with pytest.raises(StoreError, match=f"{name}: is not a file"):
            load(writer.db, 1, 0)


def test_each_file_is_hashed_once(path, monkeypatch):
    from harness import sealed

    with Writer.open(path, command=["x"]) as writer:
        toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 0, 1)
        writer.artifacts.seal(KEY)
        hashed = []
        monkeypatch.setattr(
            sealed, "file_sha256", lambda file: hashed.append(file) or file.name.split(".")[0]
        )
        for _ in range(3):
            read_rows([each.saved for each in candidates(writer.db, KEY)])
            load(writer.db, 1, 0)
    assert len(hashed) == 1


def test_everything_that_is_written_follows_the_umask(path, tmp_path):
    before = os.umask(0o002)
    try:
        with Writer.open(path, command=["x"]) as writer:
            toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 0, 1)
            writer.artifacts.seal(KEY)
            toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 2)
            modes(tmp_path)
        Writer.open(path, command=["x"]).close()
        merge(tmp_path / "merged.db", path, command=["x"])
        with reading(path) as db:
            for format in ("csv", "jsonl", "parquet"):
                export(db, "outcomes", format, tmp_path / f"x.{format}")
        modes(tmp_path)
    finally:
        os.umask(before)
    assert len(list(tmp_path.rglob("*"))) > 8


def modes(folder):
    for place in folder.rglob("*"):
        mode = stat.S_IMODE(place.stat().st_mode)
        assert mode == (0o775 if place.is_dir() else 0o664), place


@pytest.mark.parametrize("room", [0, 40])
def test_a_disk_that_is_full_while_a_shard_is_sealed_is_one_line(path, children, room):
    """The system's limit on the size of files: 3 images are kept, the sealed file does not fit."""
    done = children.run("seal_without_room", path, room)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1
    assert ".partial: cannot be read or written (File too large)" in done.stderr
    with Writer.open(path, command=["x"]):
        check_kept(path, [0, 1, 2])


def test_values_are_kept_bit_by_bit(path):
    images = np.random.default_rng(0).standard_normal((5, 3, 4, 7)).astype(np.float32)
    images[0, 0, 0, :2] = np.nan, -0.0
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, toy.toy_plan())
        kept = writer.artifacts.append(KEY, images)
        for _ in range(2):
            for image, row in zip(images, kept, strict=True):
                assert load(writer.db, row.artifact, row.row).tobytes() == image.tobytes()
            writer.artifacts.seal(KEY)


def test_a_shard_of_full_size_is_sealed(path, monkeypatch):
    monkeypatch.setattr(artifacts, "ROLL_BYTES", 2 * 48)
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        for i in range(5):
            toy.keep_and_write(writer, number, KEY, i)
        writer.artifacts.seal(KEY)
        counts = writer.db.execute("SELECT images FROM artifacts ORDER BY id").fetchall()
    assert counts == [(2,), (2,), (1,)]
    check_kept(path, range(5))


def test_equal_images_of_two_attempts_share_a_file(path):
    with Writer.open(path, command=["x"]) as writer:
        for _ in range(2):
            toy.begin(writer, toy.toy_plan())
            writer.artifacts.append(KEY, toy.pictures(0))
            writer.artifacts.seal(KEY)
        assert writer.db.execute("SELECT count(*) FROM artifacts").fetchone() == (2,)
    assert len(files(path)) == 1


def test_rows_that_no_outcome_names_are_dropped_at_the_next_open(path):
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        toy.keep_and_write(writer, number, KEY, 0)
        writer.artifacts.append(KEY, toy.pictures(1))
    with Writer.open(path, command=["x"]):
        check_kept(path, [0])
    (name,) = files(path)
    assert len(load_file(folder_of(path) / name)["images"]) == 1


def test_a_shard_without_outcomes_goes(path):
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, toy.toy_plan())
        writer.artifacts.append(KEY, toy.pictures(0))
    with Writer.open(path, command=["x"]) as writer:
        assert writer.db.execute("SELECT count(*) FROM artifacts").fetchone() == (0,)
    assert files(path) == []


def test_a_failed_append_leaves_the_shard_usable(path, monkeypatch):
    def fails(descriptor):
        raise OSError(28, "No space left on device")

    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        toy.keep_and_write(writer, number, KEY, 0)
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fails)
            with pytest.raises(StoreError, match="No space left"):
                writer.artifacts.append(KEY, toy.pictures(5, 5))
        toy.keep_and_write(writer, number, KEY, 1)
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fails)
            with pytest.raises(StoreError, match="No space left"):
                writer.artifacts.seal(KEY)
        toy.keep_and_write(writer, number, KEY, 2)
        writer.artifacts.seal(KEY)
    with Writer.open(path, command=["x"]):
        check_kept(path, [0, 1, 2])


def test_images_of_another_shape_are_refused(path):
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, toy.toy_plan())
        writer.artifacts.append(KEY, toy.pictures(0))
        with pytest.raises(ValueError, match="shape"):
            writer.artifacts.append(KEY, np.zeros((1, 3, 3, 3), np.float32))


def test_a_lost_shard_unnames_its_rows(path):
    with Writer.open(path, command=["x"]) as writer:
        toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 0)
    for file in (folder_of(path) / "open").iterdir():
        file.unlink()
    with Writer.open(path, command=["x"]) as writer:
        found = writer.db.execute("SELECT status, artifact_id, artifact_row FROM outcomes")
        assert found.fetchall() == [("broken", None, None)]


def test_what_cannot_be_loaded_is_one_line(path):
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        toy.keep_and_write(writer, number, KEY, 0)
        with pytest.raises(StoreError, match="row 1 cannot be read"):
            load(writer.db, 1, 1)
        writer.artifacts.seal(KEY)
        with pytest.raises(StoreError, match="row 1 cannot be read"):
            load(writer.db, 1, 1)
        with pytest.raises(StoreError, match="no artifact 7"):
            load(writer.db, 7, 0)
        (name,) = files(path)
        (folder_of(path) / name).unlink()
        with pytest.raises(StoreError, match=name):
            load(writer.db, 1, 0)


def test_forget_removes_the_files(path):
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        toy.keep_and_write(writer, number, KEY, 0, 1)
        writer.artifacts.seal(KEY)
        writer.forget([KEY, "0" * 64])
        assert files(path) == []
        toy.keep_and_write(writer, number, KEY, 0)
        writer.artifacts.seal(KEY)
    check_kept(path, [0])


def test_killed_at_every_step_and_opened_again(tmp_path, children):
    """Kill -9 before each step that reaches the disk; the rest of the work is then done."""
    made = children.run("killed_at_each_step", tmp_path)
    assert made.returncode == 0, made.stderr
    paths = sorted(tmp_path.glob("*.db"))
    assert len(paths) > 15
    for path in paths:
        with Writer.open(path, command=["x"]) as writer:
            done = [
                int(name[-4:])
                for (name,) in writer.db.execute("SELECT image_id FROM samples ORDER BY 1")
            ]
            check_kept(path, done)
            todo = [i for i in range(4) if i not in done]
            if todo:
                toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, *todo)
            writer.artifacts.seal(KEY)
        check_kept(path, range(4))
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("sealed", [True, False])
def test_no_file_outside_the_folder_is_removed(path, tmp_path, sealed):
    """A database from somebody else says where its kept images lie."""
    precious = tmp_path / "precious.safetensors"
    precious.write_bytes(b"mine")
    with Writer.open(path, command=["x"]) as writer:
        toy.keep_and_write(writer, toy.attempt(writer, toy.toy_plan()), KEY, 0)
        if sealed:
            writer.artifacts.seal(KEY)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE artifacts SET path = '../precious.safetensors'")
    with pytest.raises(StoreError, match="no file of saved images named"):
        forget(path)
    assert precious.read_bytes() == b"mine"


def forget(path):
    with Writer.open(path, command=["x"]) as writer:
        writer.forget([KEY])


def test_what_was_announced_from_outside_is_not_removed(path, tmp_path):
    precious = tmp_path / "precious.safetensors"
    precious.write_bytes(b"mine")
    Writer.open(path, command=["x"]).close()
    folder_of(path).mkdir()
    (folder_of(path) / "incoming.json").write_text('["../precious.safetensors"]')
    with pytest.raises(StoreError, match="no file of saved images named"):
        Writer.open(path, command=["x"])
    assert precious.exists()
