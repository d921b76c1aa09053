"""What a dataset plugin returns, raises and is, checked where it enters the core."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from harness import signals
from harness.api import (
    ConfigError,
    Cut,
    DataError,
    Dataset,
    DatasetSpec,
    ImageList,
    MissingError,
    ModelSpec,
    PluginError,
    Preprocessing,
    Sample,
)
from harness.resolve.checked_dataset import CheckedDataset

SPEC = DatasetSpec("toys", None, {}, 3)
SIZE = (4, 5)


class Toys(Dataset):
    """Three images; ``given`` replaces what it is or returns."""

    classes: Any = 3
    given: ClassVar[dict[str, Any]] = {}

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__(spec)
        self._say("made")
        if "classes" in self.given:
            self.classes = self.given["classes"]

    def _say(self, what: str, otherwise: Any = None) -> Any:
        found = self.given.get(what, otherwise)
        if isinstance(found, BaseException):
            raise found
        return found

    def samples(self) -> Any:
        return self._say("samples", [Sample(str(i), i) for i in range(3)])

    def lists(self) -> Any:
        return self._say("lists", {})

    def digest(self, sample: Sample) -> Any:
        return self._say("digest", "ab" * 32)

    def read(self, sample: Sample, size: tuple[int, int], cut: Cut | None = None) -> Any:
        return self._say("read", np.full((3, *size), 0.5, np.float32))


def toys(**given: Any) -> CheckedDataset:
    Toys.given = given
    return CheckedDataset(Toys, SPEC, "acme:toys")


def refused(act: Callable[[], object], error: type[Exception], *parts: str) -> None:
    """One short line that names dataset and plugin."""
    with pytest.raises(error) as caught:
        act()
    line = str(caught.value)
    assert line.startswith("dataset toys, plugin acme:toys")
    assert "\n" not in line
    for part in parts:
        assert part in line, line


IDS = "different non-empty text that is valid UTF-8 without NUL, labels whole numbers from 0 to 2"
AT_LOAD = {
    "no id": ({"samples": [Sample(None, 0)]}, "the id of sample 0 is None (NoneType)", IDS),
    "number": ({"samples": [Sample(3, 0)]}, "the id of sample 0 is 3 (int)", IDS),
    "float id": ({"samples": [Sample("a", 0), Sample(0.5, 0)]}, "sample 1 is 0.5 (float)", IDS),
    "bytes": ({"samples": [Sample(b"a", 0)]}, "the id of sample 0 is b'a' (bytes)", IDS),
    "empty id": ({"samples": [Sample("", 0)]}, "the id of sample 0 is ''", IDS),
    "NUL": ({"samples": [Sample("a\0", 0)]}, r"the id of sample 0 is 'a\x00'", IDS),
    "no text": ({"samples": [Sample("\udce9", 0)]}, r"the id of sample 0 is '\udce9'", IDS),
    "same id": ({"samples": [Sample("a", 0), Sample("a", 1)]}, "two samples have the id 'a'", IDS),
    "negative label": ({"samples": [Sample("a", -1)]}, "label of image a is -1 (int)", IDS),
    "large label": ({"samples": [Sample("a", 3)]}, "label of image a is 3 (int)", IDS),
    "float label": ({"samples": [Sample("a", 1.0)]}, "label of image a is 1.0 (float)", IDS),
    "text label": ({"samples": [Sample("a", "1")]}, "label of image a is '1'", IDS),
    "truth": ({"samples": [Sample("a", True)]}, "label of image a is True (bool)", IDS),
    "array": ({"samples": [Sample("a", np.arange(2))]}, "label of image a is array([0, 1])", IDS),
    "no samples": ({"samples": []}, "it holds no images", IDS),
    "None": ({"samples": None}, "samples() returned None", IDS),
    "text": ({"samples": "abc"}, "samples() returned 'abc'", IDS),
    "pairs": ({"samples": [("a", 0)]}, "sample 0 is ('a', 0) (tuple)", IDS),
    "no classes": ({"classes": None}, "classes is None", "a whole number of 2 or more"),
    "no class": ({"classes": 0}, "classes is 0 (int)", "a whole number of 2 or more"),
    "one class": ({"classes": 1}, "classes is 1 (int)", "a whole number of 2 or more"),
    "text classes": ({"classes": "3"}, "classes is '3'", "a whole number of 2 or more"),
    "float classes": ({"classes": 3.0}, "classes is 3.0 (float)", "a whole number"),
    "made raises": ({"made": ValueError("no")}, "the constructor raised ValueError: no"),
    "made exits": ({"made": SystemExit(0)}, "the constructor raised SystemExit: 0"),
    "made interrupts": ({"made": KeyboardInterrupt()}, "the constructor raised KeyboardInterrupt"),
    "samples raise": ({"samples": OSError("gone")}, "samples() raised OSError: gone"),
    "samples exit": ({"samples": SystemExit(3)}, "samples() raised SystemExit: 3"),
    "long": ({"samples": [Sample("a", "x" * 9_000_000)]}, "label of image a is 'xxx", "...; exp"),
}


@pytest.mark.parametrize("case", AT_LOAD)
def test_what_is_wrong_is_said_at_load(case: str) -> None:
    given, *parts = AT_LOAD[case]
    refused(lambda: toys(**given), PluginError, *parts)


def test_a_reader_without_its_methods() -> None:
    class Half(Dataset):
        def samples(self) -> Any:
            return []

    refused(
        lambda: CheckedDataset(Half, SPEC, "acme:toys"),  # type: ignore[arg-type]
        PluginError,
        "the constructor raised TypeError: Can't instantiate abstract class Half",
    )


def test_what_a_reader_says_is_missing_stays_its_own_words() -> None:
    with pytest.raises(MissingError, match=r"^no folder$"):
        toys(made=MissingError("no folder"))


def test_whole_numbers_of_other_types_become_plain_ones() -> None:
    name = np.str_("a")
    made = toys(classes=np.int64(3), samples=(Sample(name, np.uint8(2)) for _ in range(1)))
    assert type(made.classes) is int
    assert made.samples() == (Sample("a", 2),)
    assert [type(made.samples()[0].id), type(made.samples()[0].label)] == [str, int]


@pytest.mark.parametrize(
    "digest", [None, "", "ab" * 31, "AB" * 32, "zz" * 32, b"ab" * 32, "ab" * 32 + "\n", 5], ids=repr
)
def test_a_digest_that_is_none(digest: object) -> None:
    made = toys(digest=digest)
    refused(
        lambda: made.digest(made.samples()[0]),
        PluginError, "digest() of image 0 is", "64 lower-case hex digits",
    )  # fmt: skip


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0), KeyboardInterrupt()], ids=repr)
def test_what_a_digest_raises(error: BaseException) -> None:
    made = toys(digest=error)
    sample = made.samples()[0]
    refused(lambda: made.digest(sample), PluginError, "digest() of image 0 raised ")
    made = toys(digest=DataError("cannot be read"))
    with pytest.raises(DataError, match=r"^cannot be read$"):
        made.digest(sample)


LISTS: dict[str, tuple[object, str]] = {
    "None": (None, "lists() raised TypeError"),
    "no list": ({"a": ("0",)}, "list 'a' is ('0',)"),
    "number": ({3: ImageList(("0",))}, "list 3 (int) is ImageList("),
    "no ids": ({"a": ImageList(None)}, "list a raised TypeError"),  # type: ignore[arg-type]
    "empty": ({"a": ImageList(())}, "list a has images ()"),
    "stranger": ({"a": ImageList(("0", "9"))}, "list a has images ('0', '9')"),
    "twice": ({"a": ImageList(("0", "0"))}, "list a has images ('0', '0')"),
    "some targets": ({"a": ImageList(("0", "1"), {"0": 2})}, "targets for other images"),
    "text target": ({"a": ImageList(("0",), {"0": "2"})}, "targets for other images"),  # type: ignore[dict-item]
    "its label": ({"a": ImageList(("0",), {"0": 0})}, "target of image 0 in list a is 0"),
    "no class": ({"a": ImageList(("0",), {"0": 3})}, "target of image 0 in list a is 3"),
    "raises": (ValueError("no"), "lists() raised ValueError: no"),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_that_are_none(case: str) -> None:
    given, part = LISTS[case]
    refused(toys(lists=given).lists, PluginError, part)


def test_a_list_is_taken_as_it_is() -> None:
    given = {"a": ImageList(("2", "0"), {"0": np.int64(1), "2": 1})}
    assert toys(lists=given).lists() == {"a": ImageList(("2", "0"), {"0": 1, "2": 1})}
    assert toys().lists() == {}


def model(channels: str | int = "rgb") -> ModelSpec:
    how = Preprocessing(SIZE, channels=channels)
    return ModelSpec("m", "m", None, how, 3, {})


GOOD = np.full((3, *SIZE), 0.5, np.float32)
EXPECTED = "expected of read(): a NumPy array, float32, of shape (channels, 4, 5), in [0, 1]"
CONTRACT = {
    "float64": (GOOD.astype(np.float64), "read() returned float64 of shape (3, 4, 5)"),
    "bytes": (np.zeros((3, *SIZE), np.uint8), "read() returned uint8 of shape (3, 4, 5)"),
    "channels last": (GOOD.transpose(1, 2, 0), "read() returned float32 of shape (4, 5, 3)"),
    "no channels": (GOOD[0], "read() returned float32 of shape (4, 5)"),
    "another size": (GOOD[:, :3], "read() returned float32 of shape (3, 3, 5)"),
    "None": (None, "read() returned None (NoneType)"),
    "a list": (GOOD.tolist(), "read() returned [[["),
}
ALONE = {
    "above": (np.where(np.arange(5) == 2, np.float32(255), GOOD), "values from 0.5 to 255, outsi"),
    "below": (GOOD - 1, "read() returned values from -0.5 to -0.5, outside [0, 1]"),
    "NaN": (GOOD * np.float32("nan"), "read() returned values from nan to nan"),
    "raises": (ValueError("no"), "read() raised ValueError: no"),
    "exits": (SystemExit(0), "read() raised SystemExit: 0"),
    "interrupts": (KeyboardInterrupt(), "read() raised KeyboardInterrupt"),
}


@pytest.mark.parametrize("case", [*CONTRACT, *ALONE])
def test_a_wrong_picture_is_its_own_error(case: str) -> None:
    given, part = {**CONTRACT, **ALONE}[case]
    made = toys(read=given)
    refused(lambda: made.read(made.samples()[0], SIZE), DataError, "image 0: ", part)


@pytest.mark.parametrize("case", CONTRACT)
def test_what_all_pictures_must_be_is_tried_out_before_a_run(case: str) -> None:
    given, part = CONTRACT[case]
    made = toys(read=given)
    refused(lambda: made.try_out(model()), PluginError, part, EXPECTED)


@pytest.mark.parametrize("case", ALONE)
def test_what_may_be_one_pictures_fault_ends_no_run(case: str) -> None:
    toys(read=ALONE[case][0]).try_out(model())


def test_channels_are_those_of_the_model_or_become_them() -> None:
    for found in (GOOD, GOOD[:1]):
        for channels in ("rgb", "bgr", "grey"):
            toys(read=found).try_out(model(channels))
    many = np.zeros((4, *SIZE), np.float32)
    toys(read=many).try_out(model(4))
    with pytest.raises(
        ConfigError, match="dataset toys: its images have 4 channels, model m takes"
    ):
        toys(read=many).try_out(model())


def test_pixels_are_the_callers_own() -> None:
    own = np.full((3, *SIZE), 0.5, np.float32)
    own.flags.writeable = False
    made = toys(read=own[:, ::-1])
    first = made.read(made.samples()[0], SIZE)
    first[:] = 1
    assert (own == 0.5).all()
    assert first.flags.c_contiguous
    assert first.flags.writeable


def test_the_users_wish_to_stop_is_not_the_plugins_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made = toys(read=KeyboardInterrupt())
    monkeypatch.setattr(signals, "asked", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        made.read(made.samples()[0], SIZE)


def test_it_travels_to_other_processes() -> None:
    from harness_digits.dataset import DigitsDataset

    made = CheckedDataset(DigitsDataset, DatasetSpec("digits", None, {}, 10), "own")
    again = pickle.loads(pickle.dumps(made))
    sample = again.samples()[0]
    assert again.digest(sample) == made.digest(sample)
    assert np.array_equal(again.read(sample, (32, 32)), made.read(sample, (32, 32)))


OVERLAY = """\
datasets:
  mine: {{reader: folder, version: "1", classes: {classes}, root: pictures,
          options: {{classes: sorted}}}}
  few: {{reader: digits, version: "1", classes: 9}}
suites:
  few: {{dataset: few, models: [digits-alexnet], metrics: [accuracy]}}
  mine:
    dataset: mine
    models: [digits-mobilenet_v1_025]
    metrics: [accuracy]
"""


def test_registry_and_reader_count_the_same_classes(harness: Any, tmp_path: Path) -> None:
    overlay = tmp_path / "o.yaml"
    overlay.write_text(OVERLAY.format(classes=10))
    done = harness("run", "--registry", overlay, "--suite", "few", "--db", "d.db")
    assert done.code == 2
    assert done.err == (
        f"error: {overlay}:4: datasets.few.classes: is 9, but reader 'digits' counts 10; "
        "correct the one that is wrong\n"
    )
    assert not (tmp_path / "d.db").exists()


def test_one_damaged_picture_costs_itself_alone(harness: Any, tmp_path: Path) -> None:
    from PIL import Image

    for label in range(10):
        folder = tmp_path / "pictures" / f"c{label}"
        folder.mkdir(parents=True)
        Image.new("RGB", (32, 32), (20 * label, 0, 0)).save(folder / "1.png")
    damaged = tmp_path / "pictures" / "c3" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    (tmp_path / "pictures" / "c4" / "1.png").unlink()
    (tmp_path / "pictures" / "c4" / "1.png").symlink_to("gone")
    overlay = tmp_path / "o.yaml"
    overlay.write_text(OVERLAY.format(classes=10))
    done = harness("run", "--registry", overlay, "--suite", "mine", "--db", "d.db")
    assert done.code == 1, done.err
    assert "10 images computed" in done.err
    assert "Traceback" not in done.err
    import sqlite3

    with sqlite3.connect(tmp_path / "d.db") as db:
        found = db.execute(
            "SELECT images.name FROM clean JOIN images ON images.id = image_id"
            " WHERE error IS NOT NULL ORDER BY 1"
        ).fetchall()
    assert found == [("c3/1.png",), ("c4/1.png",)]
