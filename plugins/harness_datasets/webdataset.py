"""WebDataset shards: tar files with ``<key>.jpg`` and ``<key>.cls``; nothing is unpacked."""

from __future__ import annotations

import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from harness.api import DatasetSpec, MissingError
from harness_datasets.decoding import SUFFIXES
from harness_datasets.names import image_id
from harness_datasets.shards import DamagedShard, checked_label, gathered
from harness_datasets.source import Photo, SpanSource

_KINDS = frozenset(suffix[1:] for suffix in SUFFIXES)
_LONGEST_LABEL = 16


def webdataset(root: Path, spec: DatasetSpec) -> list[Photo]:
    """The images of ``<root>/*.tar``."""
    return gathered(root, ".tar", _listed)


def _listed(shard: Path) -> Iterator[Photo]:
    """The images of one shard whose label is there. Names in it never become paths."""
    waiting: dict[str, SpanSource] = {}
    labels: dict[str, int] = {}
    found = 0
    try:
        with tarfile.open(shard, "r:") as tar:
            length = shard.stat().st_size
            for member in tar:
                folder, slash, name = member.name.rpartition("/")
                stem, _, kind = name.partition(".")
                key, kind = folder + slash + stem, kind.lower()
                if not member.isreg() or member.issparse():
                    continue
                if member.offset_data + member.size > length:
                    raise DamagedShard(f"is cut short in {member.name}")
                if kind in _KINDS:
                    span = SpanSource(shard, member.name, member.offset_data, member.size)
                    waiting[key] = span
                elif kind == "cls":
                    labels[key] = _label(tar, member, shard)
                if key in waiting and key in labels:
                    found += 1
                    yield Photo(image_id(key, f"{shard.name}/{key}"), labels[key], waiting.pop(key))
            tar.fileobj.seek(tar.offset)  # tarfile takes garbage there for the end
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise DamagedShard("does not end as a tar file does")
    except (OSError, tarfile.TarError) as error:
        raise DamagedShard(f"cannot be read: {error}") from error
    if waiting:
        name = next(iter(waiting.values())).name
        raise MissingError(
            f"{len(waiting)} images have no label (<key>.cls), the first {name}",
            where=str(shard),
            hint="take shards with a .cls for each image",
        )
    if len(labels) > found:
        warnings.warn(
            f"{shard}: {len(labels) - found} labels (<key>.cls) have no image that can be read",
            stacklevel=2,
        )


def _label(tar: tarfile.TarFile, member: tarfile.TarInfo, shard: Path) -> int:
    file = tar.extractfile(member)
    assert file is not None  # a regular file
    text = file.read(_LONGEST_LABEL + 1)
    plain = text.strip().isdigit() and len(text) <= _LONGEST_LABEL
    return checked_label(int(text) if plain else text, f"{shard}: {member.name}")
