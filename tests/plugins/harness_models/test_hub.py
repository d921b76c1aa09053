"""The Hugging Face Hub's cache and downloads, each in a process of its own: the hub's library reads
its environment once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import web

ROOT = Path(__file__).parents[3]
CONTENT = bytes(range(256)) * 40_000
PATH = "/google/net/resolve/main/"
Serve = Callable[..., web.Site]

SCRIPT = """
import json, sys
from harness.api import HarnessError
from harness_models.hub import HubFile
file = HubFile("google/net")
seen = []
out = {}
if sys.argv[1] == "fetch":
    try:
        out["fetched"] = str(file.fetch(lambda done, total: seen.append((done, total))))
    except HarnessError as error:
        out["error"] = str(error)
found = file.weights(bytes=7, licence="free")
out |= {"path": found.path and str(found.path), "url": found.url, "how": found.how}
out |= {"bytes": found.bytes, "licence": found.licence, "last": seen[-1:]}
out["torch"] = "torch" in sys.modules
print(json.dumps(out))
"""


def ask(what: str, home: Path, *, endpoint: str = "", offline: bool = False) -> dict[str, Any]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": str(int(offline)),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **({"HF_ENDPOINT": endpoint} if endpoint else {}),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cache(home: Path, name: str, content: bytes = CONTENT) -> Path:
    """A file in the cache, laid out as the hub's library does."""
    folder = home / "hub" / "models--google--net"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c" * 40)
    path = folder / "snapshots" / ("c" * 40) / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_in_the_cache_is_found_without_network(tmp_path: Path, name: str) -> None:
    path = cache(tmp_path, name)
    found = ask("weights", tmp_path, endpoint="http://127.0.0.1:1")
    assert found["path"] == str(path)
    assert (found["bytes"], found["licence"], found["torch"]) == (7, "free", False)


def test_an_empty_cache_says_where_the_file_comes_from(tmp_path: Path) -> None:
    found = ask("weights", tmp_path)
    assert found["path"] is None
    assert found["url"] == "https://huggingface.co/google/net/resolve/main/model.safetensors"
    assert found["how"].startswith("hf download google/net model.safetensors; or so elsewhere")
    assert "bring the folder models--google--net to " in found["how"]


def test_offline_nothing_can_be_downloaded(tmp_path: Path) -> None:
    found = ask("fetch", tmp_path, offline=True)
    assert (found["path"], found["url"]) == (None, None)
    assert "HF_HUB_OFFLINE" in found["how"]
    assert "cannot be downloaded" in found["error"]
    assert "\n" not in found["error"]


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_is_fetched_with_progress(serve: Serve, tmp_path: Path, name: str) -> None:
    site = serve({PATH + name: CONTENT})
    found = ask("fetch", tmp_path, endpoint=site.url)
    path = Path(found["fetched"])
    assert path.read_bytes() == CONTENT
    assert str(path).startswith(str(tmp_path))
    assert found["path"] == str(path)
    assert found["last"] == [[len(CONTENT), len(CONTENT)]]


def test_a_broken_connection_is_taken_up_where_it_broke(serve: Serve, tmp_path: Path) -> None:
    content = CONTENT * 2  # the hub's library writes 10 MiB at a time
    site = serve({PATH + "model.safetensors": content}, cut=[12_000_000, None])
    found = ask("fetch", tmp_path, endpoint=site.url)
    assert Path(found["fetched"]).read_bytes() == content
    assert site.asked == [None, f"bytes={10 * 2**20}-"]
    assert found["last"] == [[len(content), len(content)]]


def test_what_the_hub_has_not_is_one_line(serve: Serve, tmp_path: Path) -> None:
    found = ask("fetch", tmp_path, endpoint=serve({}).url)
    assert "has no model.safetensors or pytorch_model.bin" in found["error"]


def test_a_wrong_file_is_not_taken(serve: Serve, tmp_path: Path) -> None:
    """The cache calls a large file by the SHA-256 that the hub promises."""
    site = serve({PATH + "model.safetensors": CONTENT})
    path = Path(ask("fetch", tmp_path, endpoint=site.url)["fetched"])
    blob = path.resolve()
    assert blob.name == hashlib.sha256(CONTENT).hexdigest()
    blob.write_bytes(CONTENT[:-1] + b"x")
    found = ask("fetch", tmp_path, endpoint=site.url)
    assert "another SHA-256" in found["error"]
    assert found["path"] is None
    assert Path(ask("fetch", tmp_path, endpoint=site.url)["fetched"]).read_bytes() == CONTENT
