"""The dataset reader ``folder``: image files as ``<root>/<class>/<file>``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from harness.api import Cut, DataError, Dataset, DatasetSpec, MissingError, Sample
from harness_datasets import decoding, tree
from harness_datasets.names import as_text
from harness_datasets.numbering import numbered
from harness_datasets.passed import Passed
from harness_datasets.source import FileSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class FolderDataset(Dataset):
    """Every image under ``<root>/<class>/``, in the order of class folder and file name.

    An image's id is ``<class>/<file>``. Hidden files and folders are passed over; files of other
    kinds and deeper folders too, with a warning that counts them.

    Options:
        classes: how class folders are numbered. ``imagenet`` (default where a folder is called
            after a wnid): named by wnid and numbered as in timm's list of the 1,000 synsets;
            ``sorted`` (default elsewhere): any names in their order, where it is the same as text
            and by number; ``natural``: 0, 1, 2, 10; ``imagefolder``: 0, 1, 10,
            2, as torchvision's ``ImageFolder``; or the list of all names.
        resize: a preset of `decoding.CUTS`; ``paper`` by default.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__(spec)
        self._preset = decoding.CUTS[tree.choice(spec, "resize", decoding.CUTS, "paper")]
        tree.refuse_unknown_options(spec, ("classes", "resize"))
        self._root = tree.root_of(spec)
        where = f"dataset {spec.name}: {self._root}"
        found = tree.visible(self._root)
        folders = [path.name for path in found if path.is_dir()]
        numbers = numbered(spec, self._root, folders)
        self.classes = len(numbers)
        ordered = [as_text(name) for name in sorted(numbers, key=lambda name: numbers[name])]
        self.class_names = tree.class_names() if numbers is tree.class_numbers() else ordered
        passed, empty = Passed(), []
        self._names: dict[str, str] = {}
        samples = []
        for folder in folders:
            names = tree.images(self._root / folder, passed)
            if not names:
                empty.append(folder)
            for name in names:
                key = as_text(f"{folder}/{name}")
                if key in self._names:
                    raise MissingError(f"{key} is the id of two files", where=where, hint="rename")
                self._names[key] = f"{folder}/{name}"
                samples.append(Sample(key, numbers[folder]))
        self._samples = tuple(samples)
        for path in found:
            if tree.is_image(path.name) and not path.is_dir():
                passed.add(f"*{path.suffix.lower()} outside class folders")
        if not self._samples:
            raise MissingError(
                f"holds no images ({', '.join(sorted(decoding.SUFFIXES))}) in class folders",
                where=where,
                hint=f"give a folder of the shape <root>/<class>/<file>: --data {spec.name}=PATH",
            )
        passed.say(where)
        if empty:
            shown = tree.some([f"{numbers[name]} {name}" for name in empty])
            warnings.warn(
                f"{where}: {len(empty)} of {len(folders)} class folders hold no images: {shown}",
                stacklevel=2,
            )

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def digest(self, sample: Sample) -> str:
        return self._source(sample).digest()

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        return decoding.read(self._source(sample), self._preset, size, cut)

    def _source(self, sample: Sample) -> FileSource:
        if sample.id not in self._names:
            raise DataError("is not there", where=f"dataset {self.spec.name}: image {sample.id}")
        return FileSource(self._root / self._names[sample.id])
