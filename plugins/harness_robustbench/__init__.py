"""RobustBench's models: ``robustbench:cifar10/Linf/Wong2020Fast``."""

from __future__ import annotations

import importlib.util

from harness.api import Register, hookimpl

HARNESS_API = 1

_HERE = importlib.util.find_spec("robustbench") is not None
_INSTALL = "install frontier-harness[robustbench] and robustbench: docs/adapters.md"
HARNESS_ABSENT = {} if _HERE else {"robustbench": _INSTALL}


@hookimpl
def register_model_loaders(register: Register) -> None:
    if _HERE:
        register(
            "robustbench",
            "harness_robustbench.loader:RobustBenchLoader",
            version="1",
            summary="RobustBench's models by DATASET/THREAT/NAME, weights as the library gets them",
        )
