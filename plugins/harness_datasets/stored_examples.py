"""Examples for the conformance suite of datasets in one file, or a few: six images."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import DatasetExample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

COUNT, SIDE = 6, 32
LABELS = tuple(row % 3 for row in range(COUNT))
NAMES = ("cat", "dog", "frog")


def npz(place: Path) -> DatasetExample:
    """Images, labels and names in one file."""
    import numpy as np

    np.savez(place / "some.npz", images=_noise(), labels=np.array(LABELS))
    return DatasetExample(root=place / "some.npz", classes=3, size=(SIDE, SIDE))


def torchvision(place: Path) -> DatasetExample:
    """CIFAR-10 as its authors pickled it, without the training images."""
    folder = place / "cifar-10-batches-py"
    folder.mkdir()
    rows = _noise().transpose(0, 3, 1, 2).reshape(COUNT, -1)
    contents: dict[str, dict[str, Any]] = {
        "test_batch": {"data": rows, "labels": list(LABELS)},
        "batches.meta": {"label_names": [f"class {number}" for number in range(10)]},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
    return DatasetExample(root=place, classes=10, size=(SIDE, SIDE))


def parquet(place: Path) -> DatasetExample:
    """Rows of PNG files; the third one is cut off by damage."""
    import pyarrow.parquet

    def write(images: Sequence[bytes]) -> None:
        pyarrow.parquet.write_table(_table(images), place / "some.parquet")

    return _of_files(place / "some.parquet", write)


def hf_disk(place: Path) -> DatasetExample:
    """What Hugging Face's ``save_to_disk`` leaves of such rows."""
    import pyarrow

    root, name = place / "saved", "data-00000-of-00001.arrow"
    root.mkdir()
    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    (root / "dataset_info.json").write_text(json.dumps({"features": features}))
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))

    def write(images: Sequence[bytes]) -> None:
        table = _table(images)
        with (
            pyarrow.OSFile(str(root / name), "wb") as file,
            pyarrow.ipc.new_stream(file, table.schema) as stream,
        ):
            stream.write_table(table)

    return _of_files(root, write)


def _of_files(root: Path, write: Any) -> DatasetExample:
    files = [_png(image) for image in _noise()]
    write(files)

    def damage() -> str:
        write([*files[:2], files[2][:80], *files[3:]])
        return "00002"

    return DatasetExample(root=root, classes=3, size=(SIDE, SIDE), damage=damage)


def _noise() -> NDArray[np.uint8]:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _table(images: Sequence[bytes]) -> Any:
    import pyarrow

    rows = [{"bytes": image, "path": None} for image in images]
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table({"image": pyarrow.array(rows, kind), "label": list(LABELS)})
    return table.replace_schema_metadata(about)
