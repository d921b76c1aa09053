"""Images as files in rows: Parquet, and what Hugging Face's library saves.

``saved`` was written by that library itself (``datasets`` 5.2): a `DatasetDict` with save_to_disk,
and a `Dataset` with to_parquet; 8 x 8 noise of the classes cat and dog, in turns.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.api import ConfigError, DataError, DatasetSpec, HarnessError, MissingError, Sample
from harness_datasets.hf_disk import HfDiskDataset
from harness_datasets.tables import ParquetDataset

SAVED = Path(__file__).parent / "saved"
PARQUET = SAVED / "test-00000-of-00001.parquet"


def noise(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(count)])


def read(made: HfDiskDataset | ParquetDataset) -> np.ndarray:
    found = np.stack([made.read(sample, (8, 8)) for sample in made.samples()])
    return np.rint(found * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def saved(root: Path, **options: Any) -> HfDiskDataset:
    return HfDiskDataset(DatasetSpec("mine", root, options))


def parquet(root: Path, **options: Any) -> ParquetDataset:
    return ParquetDataset(DatasetSpec("mine", root, options))


@pytest.mark.parametrize(
    ("made", "count", "seed"),
    [
        (lambda: saved(SAVED / "saved"), 5, 2),
        (lambda: saved(SAVED / "saved", split="train"), 2, 1),
        (lambda: saved(SAVED / "saved" / "train"), 2, 1),
        (lambda: parquet(PARQUET), 4, 3),
        (lambda: parquet(SAVED), 4, 3),
    ],
    ids=["dict", "split", "one", "file", "folder"],
)
def test_what_hugging_faces_library_wrote(made: Any, count: int, seed: int) -> None:
    found = made()
    assert found.samples() == tuple(Sample(f"{row:05d}", row % 2) for row in range(count))
    assert np.array_equal(read(found), noise(count, seed))
    assert (found.classes, found.class_names) == (2, ("cat", "dog"))
    assert len({found.digest(sample) for sample in found.samples()}) == count


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_plain_columns_of_several_files(tmp_path: Path) -> None:
    images = noise(5, 7)
    for part, rows in (("a", slice(0, 2)), ("b", slice(2, 5))):
        table = pa.table({"y": ["owl", "cat", "owl"][: rows.stop - rows.start],
                          "img": [png(image) for image in images[rows]]})  # fmt: skip
        pq.write_table(table, tmp_path / f"{part}.parquet", row_group_size=2)
    found = parquet(tmp_path)
    assert [sample.label for sample in found.samples()] == [1, 0, 1, 0, 1]
    assert np.array_equal(read(found), images)
    assert found.class_names == ("cat", "owl")


def table(path: Path, **columns: Any) -> Path:
    given = {"image": [png(image) for image in noise(3, 0)], "label": [0, 1, 0], **columns}
    pq.write_table(pa.table({name: each for name, each in given.items() if each is not None}), path)
    return path


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"label": [0, -1, 1]}, r"x.parquet: row 1: label -1 is none of 0 to 1"),
        ({"label": [0, None, 1]}, r"x.parquet: row 1: label None is no class"),
        ({"label": [0.0, 1.0, 1.0]}, r"x.parquet: row 0: label 0.0 is no class"),
        ({"label": None}, "x.parquet: has no column of labels: image"),
        ({"image": None}, "x.parquet: has no column of images: label"),
        ({"image": [1, 2, 3]}, "column 'image' is int64, not bytes of image files"),
    ],
)
def test_a_bad_table_is_named_with_its_row(tmp_path: Path, columns: Any, what: str) -> None:
    with pytest.raises(MissingError, match=what):
        parquet(table(tmp_path / "x.parquet", **columns))


def test_a_bad_image_is_its_own_error(tmp_path: Path) -> None:
    images = [png(image) for image in noise(3, 0)]
    found = parquet(table(tmp_path / "x.parquet", image=[images[0], b"no image", None]))
    first, second, third = found.samples()
    assert found.read(first, (8, 8)).shape == (3, 8, 8)
    with pytest.raises(DataError, match=r"x.parquet: row 1: is not an image"):
        found.read(second, (8, 8))
    with pytest.raises(DataError, match=r"x.parquet: row 2: holds no bytes"):
        found.read(third, (8, 8))


def test_columns_and_splits_can_be_said(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", coarse=[0, 0, 1], fine=[2, 1, 0], label=None)
    with pytest.raises(ConfigError, match="no column is called 'fin'; choose from image, coarse"):
        parquet(tmp_path, label="fin")
    assert [each.label for each in parquet(tmp_path, label="fine").samples()] == [2, 1, 0]
    with pytest.raises(MissingError, match=r"holds no \*.parquet of split 'test'"):
        parquet(tmp_path, split="test")
    with pytest.raises(ConfigError, match="no split 'val'; choose from train, test"):
        saved(SAVED / "saved", split="val")
    with pytest.raises(MissingError, match="is no folder of save_to_disk"):
        saved(tmp_path)


@pytest.mark.parametrize("file", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 999])
def test_damaged_files_are_named(tmp_path: Path, file: str, content: bytes) -> None:
    shutil.copytree(SAVED / "saved" / "test", tmp_path / "test")
    (tmp_path / "test" / file).write_bytes(content)
    with pytest.raises(HarnessError, match=f"{file}: cannot be read"):
        saved(tmp_path / "test")
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(MissingError, match=r"x.parquet: cannot be read"):
        parquet(tmp_path / "x.parquet")
