"""Hostile, damaged and good archives: what is read, what is refused, in what words."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError
from harness_su2018.importing.archive import LIMITS, GraphFile, Limits, graphs

FOLDER = "frozen"


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar as its headers say it; a header may claim more than follows."""
    out = io.BytesIO()
    for info, content in members:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        out.write(content + bytes(-len(content) % 512))
    return out.getvalue() + bytes(1024)


def read(content: bytes, folder: Path, limits: Limits = LIMITS) -> tuple[dict[str, bytes], str]:
    """The graphs' contents by name, and the refusals, a line each. Nothing else was written."""
    source, scratch = folder / "models.tar.gz", folder / "scratch"
    source.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    found, errors = {}, []
    for graph in graphs(source, scratch, limits):
        if isinstance(graph, GraphFile):
            found[graph.name] = graph.path.read_bytes()
            assert set(scratch.iterdir()) == {graph.path}
        else:
            errors.append(str(graph).replace(str(folder), ""))
    assert {path.name for path in folder.iterdir()} == {"models.tar.gz", "scratch"}
    return found, "\n".join(errors)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_only_graphs_are_read(tmp_path, compress):
    archive = packed(
        member(FOLDER, type=tarfile.DIRTYPE),
        member(f"{FOLDER}/a.pb", b"first"),
        member(f"{FOLDER}/labels.txt", b"tench\n" * 500),
        member(f"{FOLDER}/._a.pb", b"a Mac's"),
        member(f"./{'long' * 60}/b.pb", b"second" * 1000),
    )
    assert read(compress(archive), tmp_path) == ({"a": b"first", "b": b"second" * 1000}, "")


def test_a_single_graph_is_not_copied(tmp_path):
    path = tmp_path / "alone.pb"
    path.write_bytes(b"graph")
    assert list(graphs(path, tmp_path)) == [GraphFile(path, "alone", str(path))]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../../x.pb", b"out"), "'../../x.pb': leaves the archive's folder: refused"),
        (member("a/../../x.pb", b"out"), "leaves the archive's folder"),
        (member("/etc/x.pb", b"out"), "'/etc/x.pb': leaves the archive's folder"),
        (member("..\\x.pb", b"out"), "leaves the archive's folder"),
        (member("C:\\x.pb", b"out"), "leaves the archive's folder"),
        (
            member("x.pb", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            "'x.pb': is a link to '/etc/passwd': refused",
        ),
        (member("x.pb", type=tarfile.LNKTYPE, linkname="a.pb"), "is a link to 'a.pb'"),
        (member("x.pb", type=tarfile.CHRTYPE, devmajor=1, devminor=5), "is a device or a pipe"),
        (member("x.pb", type=tarfile.FIFOTYPE), "is a device or a pipe"),
        (member("x.pb", type=tarfile.GNUTYPE_SPARSE), "is a sparse file"),
        (member("\x1b[2J/../x.pb", b"out"), r"'\x1b[2J/../x.pb': leaves"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0].name,
)
def test_a_bad_member_is_named_and_the_rest_is_read(tmp_path, bad, message):
    archive = gzip.compress(packed(member("a.pb", b"a"), bad, member("b.pb", b"b")))
    found, errors = read(archive, tmp_path)
    assert found == {"a": b"a", "b": b"b"}
    assert message in errors
    assert errors.count("\n") == 0


def test_a_claim_of_40_gb_is_refused_by_its_header(tmp_path):
    huge = member("b.pb", b"little", size=40 * 10**9)
    found, errors = read(gzip.compress(packed(member("a.pb", b"a"), huge)), tmp_path)
    assert found == {"a": b"a"}
    assert errors.endswith("'b.pb': claims 37.3 GiB, more than the 1 GiB allowed")


def test_a_huge_member_that_is_no_graph_is_refused_too(tmp_path):
    """It would have to be read to get past it."""
    huge = member("readme.txt", b"little", size=40 * 10**9)
    assert "claims 37.3 GiB" in read(packed(huge), tmp_path)[1]


def test_the_total_and_the_number_are_limited(tmp_path):
    archive = packed(*(member(f"{i}.pb", bytes(900)) for i in range(4)))
    found, errors = read(archive, tmp_path, Limits(member=1000, total=2000))
    assert list(found) == ["0", "1"]
    assert "holds 2,700 bytes and more, more than the 2,000 bytes allowed" in errors
    found, errors = read(archive, tmp_path, Limits(members=3))
    assert list(found) == ["0", "1", "2"]
    assert "holds more than 3 members" in errors
    (tmp_path / "alone.pb").write_bytes(bytes(2000))
    (error,) = graphs(tmp_path / "alone.pb", tmp_path, Limits(member=1999))
    assert "is 2,000 bytes, more than the 1,999 bytes allowed" in str(error)


def test_a_header_that_unpacks_without_end_is_not_followed(tmp_path):
    """A long name of 200 MB: tarfile would hold it in memory."""
    name = member("././@LongLink", bytes(200_000_000), type=tarfile.GNUTYPE_LONGNAME)
    archive = gzip.compress(packed(member("a.pb", b"a"), name, member("b.pb", b"b")), 1)
    found, errors = read(archive, tmp_path)
    assert found == {"a": b"a"}
    assert "holds more than its headers say" in errors


def test_endless_headers_are_an_error(tmp_path):
    names = [member("././@LongLink", b"n\0", type=tarfile.GNUTYPE_LONGNAME) for _ in range(3000)]
    found, errors = read(packed(*names, member("b.pb", b"b")), tmp_path)
    assert found == {}
    assert errors.count("\n") == 0
    assert "models.tar.gz: " in errors


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("kept", [0.05, 0.3, 0.45, 0.7])
def test_a_truncated_archive_ends_in_one_line(tmp_path, compress, kept):
    import numpy as np

    noise = np.random.default_rng(0).bytes(40_000)
    archive = compress(packed(member("a.pb", noise), member("b.pb", noise)))
    found, errors = read(archive[: int(len(archive) * kept)], tmp_path)
    assert found == ({"a": noise} if kept > 0.5 else {})
    assert "damaged or cut off" in errors
    assert errors.count("\n") == 0


def test_an_archive_cut_between_members_is_noticed(tmp_path):
    archive = packed(member("a.pb", bytes(512)))[:1024]
    found, errors = read(archive, tmp_path)
    assert found == {"a": bytes(512)}
    assert "damaged or cut off" in errors


def test_a_broken_header_in_the_middle_is_noticed(tmp_path):
    """tarfile alone takes it for the end."""
    archive = bytearray(packed(member("a.pb", b"a"), member("b.pb", b"b"), member("c.pb", b"c")))
    archive[1024 + 100] ^= 1
    found, errors = read(bytes(archive), tmp_path)
    assert found == {"a": b"a"}
    assert "damaged or cut off" in errors


def test_a_wrong_checksum_of_gzip_is_noticed(tmp_path):
    archive = bytearray(gzip.compress(packed(member("a.pb", b"a"))))
    archive[-8] ^= 1
    assert "damaged or cut off: CRC check failed" in read(bytes(archive), tmp_path)[1]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_raises(tmp_path_factory, data):
    """Whatever bytes are flipped: graphs and refusals, no exception, nothing written elsewhere."""
    archive = packed(member("d/a.pb", b"a" * 700), member("link", type=tarfile.SYMTYPE))
    places = data.draw(st.lists(st.integers(0, len(archive) - 1), max_size=6))
    damaged = bytearray(archive)
    for place in places:
        damaged[place] = data.draw(st.integers(0, 255))
    read(bytes(damaged), tmp_path_factory.mktemp("damaged"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b"])
def test_something_else_is_one_error(tmp_path, content):
    found, errors = read(content, tmp_path)
    assert found == {}
    assert errors.count("\n") == 0
    assert "damaged or cut off" in errors


def test_an_archive_without_graphs_says_so(tmp_path):
    archive = packed(member("models/labels.txt", b"tench"))
    assert read(archive, tmp_path) == ({}, "/models.tar.gz: holds no .pb file")


def test_an_unreadable_source_is_one_error(tmp_path):
    (error,) = graphs(tmp_path / "none.pb", tmp_path)
    assert isinstance(error, DataError)
    assert "none.pb: cannot be read: No such file" in str(error)
