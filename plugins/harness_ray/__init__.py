"""An executor on a Ray cluster: one actor per GPU or per few cores, on one host or on many.

Needs the extra ``ray``; nothing here imports Ray before the executor is used.
"""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1


@hookimpl
def register_executors(register: Register) -> None:
    register(
        "ray",
        "harness_ray.executor:RayExecutor",
        version="1",
        summary="Workers on a Ray cluster, one per GPU or per few cores (extra: ray)",
    )
