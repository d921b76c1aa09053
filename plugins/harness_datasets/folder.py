"""The data set reader ``folder``: image files as ``<root>/<class>/<file>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.api import Cut, Dataset, DatasetSpec, MissingError, Sample
from harness_datasets import picture, tree
from harness_datasets.source import FileSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class FolderDataset(Dataset):
    """Every picture under ``<root>/<class>/``, in the order of class folder and file name.

    An image's id is ``<class>/<file>``. Hidden files, files of other kinds and deeper folders are
    passed over.

    Options:
        classes: ``imagenet`` (default): folders are named by wnid and numbered as in timm's list of
            the 1,000 synsets; ``sorted``: any names, numbered in their order.
        resize: a preset of `picture.CUTS`; ``paper`` by default.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__(spec)
        classes = tree.choice(spec, "classes", ("imagenet", "sorted"), "imagenet")
        self._preset = picture.CUTS[tree.choice(spec, "resize", picture.CUTS, "paper")]
        tree.refuse_unknown_options(spec, ("classes", "resize"))
        self._root = tree.root_of(spec)
        folders = [path.name for path in tree.visible(self._root) if path.is_dir()]
        if classes == "sorted":
            numbers: Mapping[str, int] = {name: number for number, name in enumerate(folders)}
        else:
            numbers = tree.class_numbers()
            hint = (
                "remove or rename them (n01440764, ...), or set the data set's option "
                "classes: sorted"
            )
            tree.refuse_other_folders(self._root, folders, numbers, hint=hint)
        self.classes = len(numbers)
        self._samples = tuple(
            Sample(f"{folder}/{name}", numbers[folder])
            for folder in folders
            for name in tree.pictures(self._root / folder)
        )
        if not self._samples:
            raise MissingError(
                f"holds no pictures ({', '.join(sorted(tree.SUFFIXES))}) in class folders",
                where=f"data set {spec.name}: {self._root}",
                hint=f"give a folder of the shape <root>/<class>/<file>: --data {spec.name}=PATH",
            )

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def digest(self, sample: Sample) -> str:
        return FileSource(self._root / sample.id).digest()

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        return picture.read(FileSource(self._root / sample.id), self._preset, size, cut)
