"""Identity is content: canonical JSON and tagged SHA-256 hashes.

Every key in the database comes from here. The tag keeps the kinds of things apart, so that a cell
and a seed that happen to serialise alike never share a hash.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

KEY_VERSION = 1
"""Part of every cell key; raised when the meaning of a key changes."""


def canonical_json(value: Any) -> str:
    """``value`` as JSON with one spelling: sorted keys, no spaces, no NaN.

    A whole number is the same whether it is written ``1`` or ``1.0``.

    Raises:
        ValueError: for NaN and infinities. TypeError: for what JSON cannot hold.
    """
    return json.dumps(
        _canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True
    )


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("canonical JSON takes string keys only")
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def tagged_hash(tag: str, value: Any) -> str:
    """SHA-256 (64 hex digits) of ``value``'s canonical JSON under ``tag``."""
    return hashlib.sha256(f"{tag}\0{canonical_json(value)}".encode()).hexdigest()


def file_sha256(*paths: Path) -> str:
    """SHA-256 (64 hex digits) of a file's bytes, or of several files' as if they were one."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def seed_of(*parts: Any) -> int:
    """A seed in [0, 2**63) from any JSON-like parts; independent of process and machine."""
    return int(tagged_hash("seed", list(parts))[:16], 16) >> 1


def image_seed(*, seed: int, cell_key: str, image_id: str) -> int:
    """The seed of an attack's own random numbers for one image of a cell."""
    return seed_of("image", seed, cell_key, image_id)
