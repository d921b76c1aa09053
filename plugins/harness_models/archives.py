"""torch.save's archives: looked through as zip files before torch's safe unpickler sees them."""

from __future__ import annotations

import errno
import re
import zipfile
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from harness.api import ModelError
from harness_models.files import ACCEPTED, STATE_DICT, cause_of

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, size: int) -> object:
    """What ``torch.save`` wrote into the zip file of ``size`` bytes at ``path``.

    Its entries must be stored as they are (a few kilobytes of compressed ones may claim any size)
    and have the archive's checksums, if it has any.

    Raises:
        ModelError: it is damaged, or not torch.save's. OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _refuse_others({entry.filename for entry in entries}, path)
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise damaged(path, "its entries are compressed, which torch.save never does")
            if sum(entry.file_size for entry in entries) > size:
                raise damaged(path, "its entries claim more bytes than it has")
            summed = any(entry.CRC for entry in entries)  # torch can leave the checksums out
            wrong = archive.testzip() if summed else None
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OverflowError) as error:
        raise damaged(path, cause_of(error)) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise damaged(path, "an entry lies before its beginning") from error
    if wrong is not None:
        raise damaged(path, f"the checksum of {wrong} is wrong")
    return unpickled(path)


def unpickled(path: Path) -> object:
    """What ``torch.save`` wrote, through torch's unpickler that knows tensors only.

    Raises:
        ModelError: it is damaged, or holds more than tensors. OSError: it cannot be read.
    """
    import torch

    try:
        with path.open("rb") as file:  # by its path, torch would go by the suffix
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except OSError:
        raise
    except Exception as error:  # whatever a damaged stream makes of torch
        raise damaged(path, cause_of(error)) from error


def damaged(path: Path, cause: str) -> ModelError:
    """The error for an archive that cannot be taken at its word."""
    return ModelError(
        f"is a damaged archive of torch.save: {cause}", where=str(path), hint="download it again"
    )


def _refuse_others(names: set[str], path: Path) -> None:
    """Zip archives of other programs, recognised by the names of their entries."""
    inside = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inside:
        what = "is a TorchScript program, which brings code of its own"
        hint = "save its weights: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)"
    elif "archive_format" in inside | names:
        what = "is an exported program (torch.export), not weights"
        hint = "save its weights: torch.save(torch.export.load(FILE).state_dict, NEW_FILE)"
    elif "data.pkl" in inside:
        return
    elif names and all(name.endswith(".npy") for name in names):
        what, hint = f"is an archive of NumPy arrays: {ACCEPTED}", STATE_DICT
    else:
        what, hint = f"is a zip archive, but not one of torch.save: {ACCEPTED}", STATE_DICT
    raise ModelError(what, where=str(path), hint=hint)


def _refused(path: Path, message: str) -> ModelError:
    """Why torch's unpickler stopped: classes and functions of others, or nonsense."""
    found = re.search(r"GLOBAL (\S+)", message)
    if found is None and "Unsupported operand" in message:
        return damaged(path, "torch's unpickler does not understand it")
    name = f" ({found[1][:80]})" if found else ""
    return ModelError(
        f"holds more than tensors{name}: reading it could run any code",
        where=str(path),
        hint=STATE_DICT,
    )
