"""Dataset readers: folders and tables of image files, arrays, and ImageNet in every layout."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_datasets.examples:EXAMPLES"


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
    register(
        "npz",
        "harness_datasets.npz:NpzDataset",
        version="1",
        summary="Images, labels and names of classes in a file of numpy.savez",
    )
    register(
        "torchvision",
        "harness_datasets.torchvision:TorchvisionDataset",
        version="1",
        summary="CIFAR-10, CIFAR-100, MNIST, FashionMNIST and KMNIST as torchvision stores them",
    )
    register(
        "parquet",
        "harness_datasets.tables:ParquetDataset",
        version="1",
        summary="Parquet files: images as bytes, and labels; needs pyarrow",
    )
    register(
        "hf-disk",
        "harness_datasets.hf_disk:HfDiskDataset",
        version="1",
        summary="Hugging Face datasets written by save_to_disk; needs pyarrow",
    )
