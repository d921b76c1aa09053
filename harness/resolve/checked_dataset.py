"""A plugin's dataset: each of its values is checked where it enters the core."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from harness import overdue
from harness.api import (
    ConfigError,
    Cut,
    DataError,
    Dataset,
    DatasetSpec,
    HarnessError,
    ImageList,
    ModelSpec,
    PluginError,
    Sample,
)
from harness.api.classifier import convertible
from harness.contained import cause
from harness.overdue import WITHOUT_IMAGES, watched
from harness.plugins import is_bundled
from harness.signals import stop_if_asked

if TYPE_CHECKING:
    from numpy.typing import NDArray

_T = TypeVar("_T")

MOST_CHANNELS = 1024

_CLASSES = "expected: a whole number of 2 or more"
_NAMES = "expected: a sequence of text, one for each class in their order; or nothing"
_SAMPLES = (
    "expected of samples(): a sequence of Sample(id, label); ids are different non-empty text that"
    " is valid UTF-8 without NUL, labels whole numbers from 0 to {last}"
)
_DIGEST = "expected of digest(): 64 lower-case hex digits, the SHA-256 of the image's source"
_LIST = (
    "expected of lists(): ImageList by name, its ids those of samples(), its targets for all of"
    " them or none, each a class but the label"
)
_READ = "expected of read(): a NumPy array, float32, of shape {shape}, in [0, 1]"


class CheckedDataset(Dataset):
    """What a reader makes of a `DatasetSpec`; nothing of it is passed on as it is.

    Whole numbers of other types, such as NumPy's, become plain ones, and pixels are copied: who
    gets them may write into them. An image that is wrong is an error of that image alone.

    Attributes:
        reader: the reader's class.
        plugin: who offers it, for messages.

    Raises:
        PluginError: the reader raises anything but a `HarnessError`, or its classes or
            samples are not what they should be. HarnessError: whatever the reader raises of these.
    """

    def __init__(self, reader: Callable[[DatasetSpec], Dataset], spec: DatasetSpec, plugin: str):
        super().__init__(spec)
        self.reader, self.plugin = reader, plugin
        self._where = f"dataset {spec.name}, plugin {plugin}"
        with watched(self._where, self._patience):
            self._made = self._called(lambda: reader(spec), "the constructor")
            self.classes = self._checked_classes()
            self.class_names = self._checked_names("class_names")
            self.class_ids = self._checked_names("class_ids")
            self.image_size = self._checked_size()
            found = self._called(self._made.samples, "samples()")
            self._samples = self._checked_samples(found)

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def lists(self) -> Mapping[str, ImageList]:
        """See `Dataset.lists`.

        Raises:
            PluginError: it is no mapping of names to lists of the dataset's images, or a target is
            no other class than the label.
        """
        found = self._called(lambda: dict(self._made.lists()), "lists()")
        return {name: self._checked_list(name, each) for name, each in found.items()}

    def digest(self, sample: Sample) -> str:
        """See `Dataset.digest`.

        Raises:
            DataError: the reader's. PluginError: it is not a SHA-256, or the reader raised anything
            else.
        """
        name = f"digest() of image {sample.id}"
        found = self._called(lambda: self._made.digest(sample), name)
        if not (isinstance(found, str) and re.fullmatch(r"[0-9a-f]{64}", found)):
            raise self._broken(f"{name} is {_shown(found)}", _DIGEST)
        return found

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        """See `Dataset.read`. The array is the caller's own.

        Raises:
            DataError: it cannot be read, or the reader broke its contract.
        """
        where = f"{self._where}, image {sample.id}"
        try:
            pixels = self._called(lambda: self._made.read(sample, size, cut), "read()")
        except DataError:
            raise
        except HarnessError as error:
            raise DataError(error.what, where=where, hint=error.hint) from error
        if problem := _unlike_pixels(pixels, size):
            raise DataError(
                problem, where=where, hint=_READ.format(shape=f"(channels, {size[0]}, {size[1]})")
            )
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"read() returned values from {low:g} to {high:g}, outside [0, 1]", where=where
            )
        return np.array(pixels, np.float32, order="C")

    def try_out(self, model: ModelSpec) -> None:
        """Read the first image for ``model`` before a run begins; call it from the main thread.

        Raises:
            PluginError: it is not an array of the type and shape that all images must have, or
            reading it changed what others work with. ConfigError: its channels are none that the
            model takes. Whatever else may be wrong with it is its own error, later.
        """
        how = model.preprocessing
        size, cut = how.size, how.cut
        from harness.engine.guard import Guard

        guard = Guard("read()", may_draw=True)
        problem, pixels = None, None
        try:
            first = self._samples[0]
            with watched(self._where, self._patience):
                pixels = self._called(lambda: self._made.read(first, size, cut), "read()")
            problem = _unlike_pixels(pixels, size)
        except HarnessError:
            pass  # it may be this image's own: the run says so of it, and reads the others
        if changed := guard.put_back():
            raise self._broken(f"read() changed {', '.join(changed)}", "put it back")
        if problem:
            raise self._broken(problem, _READ.format(shape=f"(channels, {size[0]}, {size[1]})"))
        if pixels is not None and not convertible(len(pixels), how.shape[0]):
            raise ConfigError(
                f"its images have {len(pixels)} channels, model {model.name} takes {how.shape[0]}",
                where=f"dataset {self.spec.name}",
                hint="take data with as many, or correct the model's preprocessing.channels",
            )

    @property
    def _patience(self) -> float | None:
        """Seconds that a call before the run may take."""
        return None if is_bundled(self.plugin) else overdue.PATIENCE * WITHOUT_IMAGES

    def _checked_classes(self) -> int:
        found = self._called(lambda: getattr(self._made, "classes", None), "classes")
        classes = _whole(found)
        if classes is None or classes < 2:
            raise self._broken(f"classes is {_shown(found)}", _CLASSES)
        return classes

    def _checked_names(self, what: str) -> tuple[str, ...]:
        found = self._called(lambda: getattr(self._made, what, ()), what)
        if isinstance(found, str) or not isinstance(found, Sequence):
            raise self._broken(f"{what} is {_shown(found)}", _NAMES)
        names = tuple(found)
        if names and (len(names) != self.classes or not all(map(_is_text, names))):
            raise self._broken(f"{what} is {_shown(names)}", _NAMES)
        return tuple(map(str, names))

    def _checked_size(self) -> tuple[int, int] | None:
        found = self._called(lambda: getattr(self._made, "image_size", None), "image_size")
        if found is None:
            return None
        sides = tuple(map(_whole, found)) if isinstance(found, Sequence) else ()
        if len(sides) != 2 or not all(side is not None and side >= 1 for side in sides):
            raise self._broken(
                f"image_size is {_shown(found)}", "expected: (height, width), or None"
            )
        return sides[0], sides[1]  # type: ignore[return-value]

    def _checked_samples(self, found: object) -> tuple[Sample, ...]:
        hint = _SAMPLES.format(last=self.classes - 1)
        if isinstance(found, str | bytes) or not isinstance(found, Iterable):
            raise self._broken(f"samples() returned {_shown(found)}", hint)
        given = self._called(lambda: tuple(found), "samples()")
        if not given:
            raise self._broken("it holds no images", hint)
        samples: dict[str, Sample] = {}
        for place, each in enumerate(given):
            if not isinstance(each, Sample):
                raise self._broken(f"sample {place} is {_shown(each)}", hint)
            if not _is_text(each.id):
                raise self._broken(f"the id of sample {place} is {_shown(each.id)}", hint)
            if each.id in samples:
                raise self._broken(f"two samples have the id {each.id!r}", hint)
            label = _whole(each.label)
            if label is None or not 0 <= label < self.classes:
                raise self._broken(f"the label of image {each.id} is {_shown(each.label)}", hint)
            samples[str(each.id)] = Sample(str(each.id), label)
        return tuple(samples.values())

    def _checked_list(self, name: object, found: object) -> ImageList:
        if not (_is_text(name) and isinstance(found, ImageList)):
            raise self._broken(f"list {_shown(name)} is {_shown(found)}", _LIST)
        ids = self._called(lambda: tuple(found.ids), f"list {name}")
        given = self._called(lambda: dict(found.targets), f"list {name}")
        labels = {sample.id: sample.label for sample in self._samples}
        if not ids or len({*ids}) < len(ids) or not {*ids} <= labels.keys():
            raise self._broken(f"list {name} has images {_shown(ids)}", _LIST)
        targets = {id: target for id in given if (target := _whole(given[id])) is not None}
        if given and targets.keys() != {*ids}:
            raise self._broken(f"list {name} has targets for other images", _LIST)
        for id, target in targets.items():
            if not 0 <= target < self.classes or target == labels[id]:
                raise self._broken(f"the target of image {id} in list {name} is {target}", _LIST)
        return ImageList(ids, targets)

    def _called(self, call: Callable[[], _T], what: str) -> _T:
        """What ``call`` returns; what it raises is the plugin's error, unless it is one of ours."""
        try:
            found = call()
        except HarnessError:
            raise
        except BaseException as error:
            stop_if_asked()
            raise self._broken(cause(what, error), "update or remove the plugin") from error
        stop_if_asked()
        return found

    def _broken(self, what: str, hint: str) -> PluginError:
        return PluginError(what, where=self._where, hint=hint)


def _whole(value: object) -> int | None:
    """``value`` as a plain int, if it is a whole number of any kind."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except Exception:
        return None


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unlike_pixels(pixels: object, size: tuple[int, int]) -> str | None:
    """Why ``pixels`` is not an image of ``size``; None: it is one."""
    if not isinstance(pixels, np.ndarray):
        return f"read() returned {_shown(pixels)}"
    if pixels.dtype != np.float32 or not _is_shape(pixels.shape, size):
        return f"read() returned {pixels.dtype} of shape {pixels.shape}"
    return None


def _is_shape(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    return len(shape) == 3 and 1 <= shape[0] <= MOST_CHANNELS and shape[1:] == tuple(size)


def _shown(value: object) -> str:
    """A value in a message: its ``repr``, and its type unless it is text."""
    try:
        text = repr(value)
    except Exception:
        text = "?"
    short = text if len(text) <= 80 else f"{text[:77]}..."
    return short if isinstance(value, str) else f"{short} ({type(value).__name__})"
