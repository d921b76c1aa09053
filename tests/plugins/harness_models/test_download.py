"""The downloader against a real server: resuming, hashes, and files that are in place or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import web

from harness.api import MissingError
from harness_models.download import download

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Serve = Callable[..., web.Site]


def fetch(site: web.Site, folder: Path, sha256: str = SHA256[:8]) -> tuple[Path, list[int]]:
    seen: list[int] = []

    def progress(done: int, total: int | None) -> None:
        assert total == len(CONTENT)
        seen.append(done)

    path = download(
        f"{site.url}/w.pth", folder / "cache" / "w.pth", sha256=sha256, progress=progress
    )
    return path, seen


def test_a_file_comes_whole(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/w.pth": CONTENT})
    path, seen = fetch(site, tmp_path)
    assert path.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)
    assert not list(path.parent.glob("*.part"))
    assert fetch(site, tmp_path) == (path, [])  # it is there: nobody is asked
    assert len(site.requests) == 1


def test_a_broken_connection_is_taken_up_where_it_broke(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/w.pth": CONTENT}, cut=[2_000_000, 1_000_000, None])
    path, seen = fetch(site, tmp_path)
    assert path.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=2000000-", "bytes=3000000-"]
    assert seen == sorted(seen)


def test_the_next_call_goes_on(serve: Serve, tmp_path: Path) -> None:
    broken = serve({"/w.pth": CONTENT}, cut=[1_500_000, 0])
    with pytest.raises(MissingError, match=r"w\.pth: cannot be downloaded: .*; the same command"):
        fetch(broken, tmp_path)
    assert not (tmp_path / "cache" / "w.pth").exists()
    assert (tmp_path / "cache" / "w.pth.part").stat().st_size == 1_500_000
    whole = serve({"/w.pth": CONTENT})
    path, seen = fetch(whole, tmp_path)
    assert path.read_bytes() == CONTENT
    assert whole.asked == ["bytes=1500000-"]
    assert seen[0] > 1_500_000


def test_a_server_without_ranges_sends_all_of_it_again(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/w.pth": CONTENT}, cut=[1_500_000, None], ranges=False)
    path, _ = fetch(site, tmp_path)
    assert path.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=1500000-"]


@pytest.mark.parametrize(
    "rest", [b"x" * 1000, CONTENT[:-1] + b"x", CONTENT + b"x"], ids=["begun", "full", "too long"]
)
def test_what_was_left_of_another_file_is_thrown_away(
    serve: Serve, tmp_path: Path, rest: bytes
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "w.pth.part").write_bytes(rest)
    path, _ = fetch(serve({"/w.pth": CONTENT}), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_file_with_another_hash_never_gets_its_name(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/w.pth": CONTENT})
    with pytest.raises(MissingError, match="another SHA-256 than 00000000…"):
        fetch(site, tmp_path, sha256="0" * 8)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["w.pth.lock"]
    assert len(site.requests) == 1


def test_a_missing_file_and_a_dead_server_are_one_line(serve: Serve, tmp_path: Path) -> None:
    site = serve({})
    with pytest.raises(MissingError, match="HTTP Error 404"):
        fetch(site, tmp_path)
    assert len(site.requests) == 1
    site.url = "http://127.0.0.1:1"
    with pytest.raises(MissingError, match="refused") as caught:
        fetch(site, tmp_path)
    assert "\n" not in str(caught.value)


def test_several_at_once_download_once(serve: Serve, tmp_path: Path) -> None:
    site = serve({"/w.pth": CONTENT})
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch(site, tmp_path)[0].read_bytes(), range(4)))
    assert found == [CONTENT] * 4
    assert len(site.requests) == 1
