import gc
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from harness.engine.names import Names


@pytest.fixture
def imports() -> Iterator[None]:
    """Something is imported whenever memory is collected, as by another thread meanwhile."""
    thresholds, made = gc.get_threshold(), []

    def collected(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            made.append(f"imported_meanwhile_{len(made)}")
            sys.modules[made[-1]] = ModuleType(made[-1])

    gc.callbacks.append(collected)
    gc.set_threshold(20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collected)
        for name in made:
            del sys.modules[name]


@pytest.mark.usefixtures("imports")
def test_other_threads_may_import_during_a_look():
    before = Names()
    assert before.put_back() == []
    assert Names.now()._hold()
