"""ONNX's external data: tensors that lie in files next to the graph, never anywhere else."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto

from harness.api import MissingError, ModelError
from harness_models.files import look

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = (1 << 31) - 1
"""Bytes of a graph with all its weights, as protobuf allows."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a tensor's bytes lie: ``length`` of them from ``offset`` in ``file``."""

    tensor: TensorProto
    file: Path
    offset: int
    length: int


def beside(path: Path) -> tuple[Path, ...]:
    """The files that the graph at ``path`` keeps tensors in, sorted; none for most.

    Raises:
        MissingError: one is not there. ModelError: it may not lie there.
    """
    look(path)
    with path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if content.find(b"location") < 0:
                    return ()  # without parsing: each piece has an entry of this name
                model = onnx.load_model_from_string(content[:LARGEST])
        except (ValueError, DecodeError):
            return ()  # not a graph: loading it reports so
    return tuple(sorted({piece.file for piece in _pieces(model, path)}))


def bring_in(model: ModelProto, path: Path) -> None:
    """Put tensors from the files next to ``path`` into ``model``.

    Raises:
        MissingError: a file is not there. ModelError: it may not lie there, or is too short.
    """
    pieces = list(_pieces(model, path))
    total = path.stat().st_size + sum(piece.length for piece in pieces)
    if total > LARGEST:
        raise ModelError(
            f"has {total:,} bytes with its external data, more than the {LARGEST:,} of an ONNX "
            "graph",
            where=str(path),
            hint="take a smaller network",
        )
    for piece in pieces:
        with piece.file.open("rb") as file:
            file.seek(piece.offset)
            piece.tensor.raw_data = file.read(piece.length)
        piece.tensor.data_location = TensorProto.DEFAULT
        del piece.tensor.external_data[:]


def _pieces(model: ModelProto, path: Path) -> Iterator[Piece]:
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        said = {entry.key: entry.value for entry in tensor.external_data}
        file = _inside(said.get("location", ""), tensor.name, path)
        try:
            size = look(file).size
        except MissingError as error:
            raise MissingError(
                f"keeps tensors in {file.name[:100]!r} next to it: {error.what}",
                where=str(path),
                hint="bring that file too",
            ) from error
        try:
            offset = int(said.get("offset", 0))
            length = int(said.get("length", size - offset))
        except ValueError:
            offset = length = -1
        if offset < 0 or length < 0 or offset + length > size:
            raise ModelError(
                f"tensor {tensor.name!r} should lie where {file.name} ({size:,} bytes) has nothing",
                where=str(path),
                hint="download both files again",
            )
        yield Piece(tensor, file, offset, length)


def _inside(location: str, tensor: str, path: Path) -> Path:
    """The file at ``location`` in the folder of ``path``, or of what ``path`` is a link to."""
    file = path.parent / location
    parts = Path(location).parts
    if parts and not Path(location).is_absolute() and ".." not in parts and "\0" not in location:
        try:
            found = file.resolve()
        except (OSError, RuntimeError):  # a circle of links
            found = Path("/")
        if any(
            found.is_relative_to(home) for home in (path.parent.resolve(), path.resolve().parent)
        ):
            return file
    raise ModelError(
        f"tensor {tensor!r} lies in {location[:100]!r}, which is not next to it",
        where=str(path),
        hint="save it as one file: onnx.save(onnx.load(FILE), NEW_FILE)",
    )


def _tensors(message: Message) -> Iterator[TensorProto]:
    """Every tensor anywhere in ``message``: initializers, attributes, subgraphs, functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in [value] if isinstance(value, Message) else value:
            if isinstance(item, TensorProto):
                yield item
            else:
                yield from _tensors(item)
