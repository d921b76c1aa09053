"""Dataset readers: folders of image files, and ImageNet's validation images in every layout."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 0


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "folder",
        "harness_datasets.folder:FolderDataset",
        version="1",
        summary="Image files as <root>/<class>/<file>: ImageNet by wnid, or classes by folder name",
    )
    register(
        "imagenet",
        "harness_datasets.imagenet:ImagenetDataset",
        version="1",
        summary="ILSVRC2012's validation images: folders, flat, Parquet or WebDataset; the "
        "study's lists",
    )
