"""What a weight file is, by its content: names and suffixes prove nothing."""

from __future__ import annotations

import codecs
import stat
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from harness.api import MissingError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 512


class Form(Enum):
    """What a weight file may be; anything else is `FOREIGN`."""

    SAFETENSORS = auto()
    ZIP = auto()
    TORCH_1_5 = auto()
    PICKLE = auto()
    ONNX = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """A file's size in bytes and what its first bytes say.

    Attributes:
        what: it is, in words that follow "is".
        hint: how to get from there to a file that can be read.
    """

    size: int
    form: Form
    what: str
    hint: str


ACCEPTED = "only safetensors and torch.save(model.state_dict(), FILE) are read"
STATE_DICT = "save model.state_dict() with safetensors.torch.save_file"

_AGAIN = "download it again"
_UNPACK = "unpack it"

_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # of torch.save before torch 1.6

_ONNX_TAGS = {bytes([tag]) for tag in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)}
"""The fields of a ModelProto after its first, ir_version."""

_SIGNS = (
    (
        0,
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "fetch it with git lfs pull",
    ),
    (0, b"\x89HDF\r\n", "an HDF5 file, as Keras writes", STATE_DICT),
    (0, b"\x93NUMPY", "a NumPy array", STATE_DICT),
    (0, b"GGUF", "a GGUF file", STATE_DICT),
    (4, b"TFL3", "a TensorFlow Lite graph", "convert it to ONNX"),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
)
"""Where others have their signs, what they are, and the remedy."""


def look(path: Path) -> Look:
    """What lies at ``path``; nothing but a regular file is opened, so that nothing can hang.

    Raises:
        MissingError: it cannot be read, or is a folder, a pipe or a device.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise MissingError(
                f"is {_kind(found.st_mode)}, not a file", where=str(path), hint="check weights.file"
            )
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    form, what, hint = _told(head)
    return Look(found.st_size, form, what, hint)


def unreadable(path: Path, error: OSError | ValueError) -> MissingError:
    """The error for a file that the system does not give."""
    cause = getattr(error, "strerror", None) or error
    return MissingError(
        f"weights cannot be read: {cause}", where=str(path), hint="check weights.file"
    )


def cause_of(error: Exception) -> str:
    """What ``error`` says, on one line that is not too long; its kind too where that is a word."""
    text = " ".join(str(error).split())
    if len(text.split()) < 2:
        text = f"{type(error).__name__} {text}".rstrip()
    return text if len(text) <= 300 else f"{text[:297]}..."


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"


def _told(head: bytes) -> tuple[Form, str, str]:
    if not head:
        return Form.FOREIGN, "empty", _AGAIN
    if head[8:9] == b"{" and not _is_text(head[:8]):  # after the length of a JSON header
        return Form.SAFETENSORS, "a safetensors file", _AGAIN
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Form.ZIP, "a zip archive", STATE_DICT
    if head.startswith(_MAGIC):
        return Form.TORCH_1_5, "an archive of torch.save", STATE_DICT
    if head[:1] == b"\x80" and head[1:2] in {b"\2", b"\3", b"\4", b"\5"}:
        return Form.PICKLE, "a pickle, and reading one can run any code", STATE_DICT
    if head[:1] == b"\x08" and head[1] < 32 and head[2:3] in _ONNX_TAGS:
        return Form.ONNX, "an ONNX graph", "give it to the loader onnx"
    for place, sign, what, hint in _SIGNS:
        if head[place:].startswith(sign):
            return Form.FOREIGN, what, hint
    if _is_text(head):
        page = head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
        return Form.FOREIGN, "a web page" if page else "text", _AGAIN
    return Form.FOREIGN, f"of no known form (it begins with {head[:8].hex(' ')})", _AGAIN


def _is_text(content: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content)  # may end in mid-letter
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)
