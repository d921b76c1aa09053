"""The facts of an environment that someone needs to reproduce a run a year later."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.plugins import Catalog
from harness.version import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnx2torch",
    "numpy",
    "pillow",
    "scikit-learn",
)


def environment(catalog: Catalog) -> dict[str, Any]:
    """Versions of Python, the harness, its plugins and the packages that decide about numbers."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "harness": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "packages": packages,
        "plugins": {
            f"{report.distribution}:{report.name}": report.version for report in catalog.reports
        },
    }
