"""Damaged, odd and hostile weight files, made from a seed: for fuzz_weights.py and the tests."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from odd_graphs import GRAPHS, SIDE, graph
from safetensors.torch import save
from torch import nn

from harness_digits.architectures import build

ARCHITECTURE = "digits-mobilenet_v1_025"

Write = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Case:
    """A file to be made: what is odd about it, its suffix, and what makes it."""

    name: str
    suffix: str
    write: Write


def cases(seed: int, count: int) -> Iterator[Case]:
    """``count`` files: the odd ones first, then damaged copies of good ones."""
    odd = [*foreign(), *unusual_safetensors(), *unusual_archives(), *hostile(), *unusual_graphs()]
    yield from odd[:count]
    draw, good = random.Random(seed), list(good_files())
    for number in range(count - len(odd)):
        suffix, content = good[number % len(good)]
        what, damaged = damage(draw, content)
        yield Case(f"{what} {suffix}", suffix, content_of(damaged))


def content_of(content: bytes) -> Write:
    return lambda path: path.write_bytes(content) and None


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build(ARCHITECTURE).state_dict()


def saved(value: object, **options: object) -> bytes:
    """What torch.save writes."""
    file = io.BytesIO()
    torch.save(value, file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def good_files() -> Iterator[tuple[str, bytes]]:
    yield ".safetensors", save(state())
    yield ".pt", saved(state())
    yield ".pth", saved(state(), _use_new_zipfile_serialization=False)
    yield ".onnx", graph().SerializeToString()


def damage(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    """A copy of ``content`` with damage in its first 4 kB, its last 4 kB, or a piece cut off."""
    way = draw.choice(["cut", "flipped", "flipped at the end", "overwritten", "doubled", "shifted"])
    found = bytearray(content)
    place = draw.randrange(min(len(found), 4096))
    if way == "cut":
        return way, bytes(found[: draw.randrange(len(found))])
    if way == "flipped":
        found[place] ^= 1 << draw.randrange(8)
    elif way == "flipped at the end":
        found[-1 - place] ^= 1 << draw.randrange(8)
    elif way == "overwritten":
        length = draw.randrange(1, 64)
        found[place : place + length] = draw.randbytes(length)
    elif way == "doubled":
        found[place:place] = found[place : place + draw.randrange(1, 64)]
    else:
        del found[place : place + draw.randrange(1, 16)]
    return way, bytes(found)


def foreign() -> Iterator[Case]:
    """What is no weight file at all."""
    contents = {
        "empty": b"",
        "web page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "web page of spaces": b"\n\n  <html lang=en>",
        "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "JSON": b'{"error": "Repository not found"}',
        "text": b"hello, I am no weight file",
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(500),
        "NumPy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}",
        "gzip": gzip.compress(save(state())),
        "tar": bytes(257) + b"ustar\x0000" + bytes(1000),
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "one byte": b"\x80",
        "nine bytes": bytes(8) + b"{",
        "random": random.Random(1).randbytes(4096),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "TensorFlow Lite": b"\x1c\0\0\0TFL3" + bytes(100),
    }
    for name, content in contents.items():
        for suffix in (".pt", ".onnx"):
            yield Case(name, suffix, content_of(content))
    for suffix in (".safetensors", ".onnx"):
        yield Case("folder", suffix, lambda path: path.mkdir())
        yield Case("pipe", suffix, lambda path: os.mkfifo(path))
        yield Case("device", suffix, lambda path: path.symlink_to("/dev/zero"))
        yield Case("loop of links", suffix, lambda path: path.symlink_to(path))
        yield Case("link to nothing", suffix, lambda path: path.symlink_to("nowhere"))
        yield Case("100 GB of nothing", suffix, sparse(b""))


def sparse(head: bytes) -> Write:
    """A file of 100 GB that takes no room."""

    def write(path: Path) -> None:
        path.write_bytes(head)
        os.truncate(path, 10**11)

    return write


def unusual_safetensors() -> Iterator[Case]:
    """Headers that lie, and tensors that no network takes."""
    headers: dict[str, tuple[object, bytes]] = {
        "overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
        "hole": ({"a": entry(0, 8), "b": entry(12, 16)}, bytes(16)),
        "rest": ({"a": entry(0, 8)}, bytes(16)),
        "too short": ({"a": entry(0, 8)}, bytes(4)),
        "backwards": ({"a": entry(8, 0)}, bytes(8)),
        "unknown dtype": ({"a": entry(0, 8, "Q9")}, bytes(8)),
        "negative shape": ({"a": {**entry(0, 8), "shape": [-2]}}, bytes(8)),
        "endless shape": ({"a": {**entry(0, 0), "shape": [0, 2**62, 2**62]}}, b""),
        "overflow": ({"a": {**entry(0, 8), "shape": [2**63, 2**63]}}, bytes(8)),
        "no tensors": ({}, b""),
        "list": ([1], b""),
        "metadata of numbers": ({"__metadata__": {"a": 1}}, b""),
        "twice": (b'{"a":%b,"a":%b}' % ((json.dumps(entry(0, 8)).encode(),) * 2), bytes(8)),
        "deep": (b'{"a":' + b"[" * 100_000, b""),
        "not JSON": (b"{not json}", b""),
        "not UTF-8": (b'{"\xff\xfe":1}', b""),
        "other names": ({"a": entry(0, 8)}, bytes(8)),
    }
    for name, (header, data) in headers.items():
        yield Case(name, ".safetensors", content_of(safetensors(header, data)))
    for length in (2**63, 2**40, 10**8, 2**20, 0, 1):
        content = safetensors({"a": entry(0, 8)}, bytes(8), length=length)
        yield Case(f"header of {length}", ".safetensors", content_of(content))
    huge = safetensors({"a": entry(0, 10**11 - 100)}, b"")
    yield Case("100 GB of zeros", ".safetensors", sparse(huge))
    for dtype in (torch.int8, torch.int32, torch.int64, torch.bool, torch.uint8, torch.uint16,
                  torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2):  # fmt: skip
        content = save({name: tensor.to(dtype) for name, tensor in state().items()})
        yield Case(f"all {dtype}", ".safetensors", content_of(content))
    for way in ("missing", "extra", "another shape"):
        wrong = state()
        name = next(iter(wrong))
        if way == "missing":
            del wrong[name]
        else:
            wrong["extra" if way == "extra" else name] = torch.zeros(7)
        yield Case(way, ".safetensors", content_of(save(wrong)))
    yield Case("named .onnx", ".onnx", content_of(save(state())))


def entry(start: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": [(end - start) // 4], "data_offsets": [start, end]}


def safetensors(header: object, data: bytes, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


class Scripted(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def unusual_archives() -> Iterator[Case]:
    """What torch.save and others put into their files."""
    a = torch.arange(4.0)
    values: dict[str, object] = {
        "module": nn.Linear(2, 2),
        "list": [a, a],
        "tensor": a,
        "number": 3,
        "nothing": None,
        "no tensors": {},
        "checkpoint": {"epoch": 3, "state_dict": state(), "optimizer": {"lr": 0.1}},
        "keys of numbers": {0: a},
        "values of numbers": {"weight": 1.0},
        "values of None": {"weight": None},
        "quantised": {"weight": torch.quantize_per_tensor(a, 0.1, 0, torch.qint8)},
        "sparse": {"weight": torch.eye(4).to_sparse()},
        "sparse rows": {"weight": torch.eye(4).to_sparse_csr()},
        "meta": {"weight": torch.empty(10**6, 10**6, device="meta")},
        "nested": {"weight": torch.nested.nested_tensor([a, a[:2]])},
        "complex": {"weight": a.to(torch.complex64)},
        "float8": {"weight": a.to(torch.float8_e4m3fn)},
        "expanded": {"weight": torch.zeros(1).expand(10**6, 10**6)},
        "other names": {"weight": a},
        "integers": {name: tensor.to(torch.int32) for name, tensor in state().items()},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in values.items():
            yield Case(f"torch.save of {name}", ".pt", content_of(saved(value)))
        old = saved([1, 2], _use_new_zipfile_serialization=False)
        yield Case("old list", ".pth", content_of(old))
        yield Case("named .safetensors", ".safetensors", content_of(saved([1])))
        file = io.BytesIO()
        torch.jit.save(torch.jit.trace(Scripted(), torch.rand(1, 3, SIDE, SIDE)), file)
    for suffix in (".pt", ".onnx", ".safetensors"):
        yield Case("TorchScript", suffix, content_of(file.getvalue()))
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    yield Case("arrays of NumPy", ".npz", content_of(file.getvalue()))
    yield Case("other archive", ".zip", content_of(archive({"word/document.xml": b"<w/>"})))
    yield Case("exported program", ".pt2", content_of(archive({"m/archive_format": b"pt2"})))
    yield Case("empty archive", ".pt", content_of(archive({})))
    small = archive({"a/data.pkl": bytes(1000)}, zipfile.ZIP_DEFLATED)
    yield Case("compressed", ".pt", content_of(small))
    yield Case("1 GB of zeros, compressed", ".pt", bomb)
    yield Case("archive without storages", ".pt", content_of(repacked(saved({"w": a}), drop="/0")))
    for numel in (5, 2**30, -1):
        content = repacked(saved({"w": a}), numel=numel)
        yield Case(f"4 numbers that claim to be {numel}", ".pt", content_of(content))
        content = claiming(saved({"w": a}, _use_new_zipfile_serialization=False), numel)
        yield Case(f"4 old numbers that claim to be {numel}", ".pt", content_of(content))


def bomb(path: Path) -> None:
    path.write_bytes(archive({"a/data.pkl": bytes(10**9)}, zipfile.ZIP_DEFLATED))


def archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return file.getvalue()


def repacked(content: bytes, *, drop: str | None = None, numel: int | None = None) -> bytes:
    """An archive of torch.save's without an entry, or whose only storage claims another length."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        entries = {info.filename: opened.read(info) for info in opened.infolist()}
    if drop is not None:
        entries = {name: value for name, value in entries.items() if not name.endswith(drop)}
    if numel is not None:
        name = next(name for name in entries if name.endswith("data.pkl"))
        entries[name] = claiming(entries[name], numel)
    return archive(entries)


def claiming(content: bytes, numel: int) -> bytes:
    """A pickle in which every 4 after "cpu" is ``numel``."""
    place = content.index(b"cpu")
    claim = b"J" + struct.pack("<i", numel)
    return content[:place] + content[place:].replace(b"K\x04", claim)


class Evil:
    """Unpickling it leaves a trace."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call[0], tuple(self.call[1:])  # type: ignore[return-value]


TRACE = "import os; os.environ['HARNESS_FUZZ_RAN'] = '1'"


def hostile() -> Iterator[Case]:
    """Pickles that run code, or would take all memory or time."""
    calls = {
        "exec": Evil(exec, TRACE),
        "eval": Evil(eval, f"exec({TRACE!r})"),
        "system": Evil(os.system, "true"),
        "getattr": Evil(getattr, os, "system"),
        "import": Evil(__import__, "antigravity"),
        "torch.load": Evil(torch.load, "/dev/zero"),
        "bytes without end": Evil(bytearray, 10**13),
        "tensor without end": Evil(torch.FloatTensor, 10**7, 10**7),
    }
    for name, call in calls.items():
        for options in ({}, {"_use_new_zipfile_serialization": False}):
            try:
                content = saved({"weight": call}, **options)
            except Exception:  # modules cannot be pickled
                continue
            yield Case(f"pickled {name}", ".pt", content_of(content))
        for protocol in (0, 2, 4):
            try:
                content = pickle.dumps({"weight": call}, protocol=protocol)
            except TypeError:
                continue
            yield Case(f"bare pickle of {name}", ".pkl", content_of(content))
    streams = {
        "stack underflow": b"\x80\x02.",
        "endless memo": b"\x80\x02" + b"]q\0" + b"h\0a" * 10 + b".",
        "deep": b"\x80\x02" + b"N" + b"\x85" * 500_000 + b".",
        "marks": b"\x80\x02" + b"(" * 500_000 + b".",
        "list in itself": b"\x80\x02}q\0X\x01\0\0\0ah\0s.",
        "build": b"\x80\x02ctorch\nTensor\n)\x81}X\x01\0\0\0ah\0sb.",
        "codec": b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0hex\x86R.",
        "storage of nothing": b"\x80\x02(X\x07\0\0\0storageq\0tQ.",
        "storage of text": b"\x80\x02X\x07\0\0\0storageQ.",
        "long string": b"\x80\x02X\xff\xff\xff\x7fa.",
        "half": b"\x80\x02}(X",
        "nothing": b"",
    }
    whole = {"a/version": b"3\n", "a/byteorder": b"little", "a/data/0": bytes(16)}
    for name, stream in streams.items():
        yield Case(f"stream: {name}", ".pt", content_of(archive({"a/data.pkl": stream, **whole})))


def unusual_graphs() -> Iterator[Case]:
    """Graphs that lie about their tensors or reach for other files."""
    for name, change in GRAPHS.items():
        model = graph()
        change(model)
        yield Case(f"graph: {name}", ".onnx", content_of(model.SerializeToString()))
