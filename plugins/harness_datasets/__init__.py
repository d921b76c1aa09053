"""Data set readers: folders of image files."""

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
