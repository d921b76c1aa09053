"""Models in memory: who stays, who goes, what is loaded ahead, and that no thread outlives it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import nn

from harness.api import Classifier, MissingError, ModelError, ModelLoader, ModelSpec, Preprocessing
from harness.engine.classifier import PixelClassifier
from harness.engine.device import MOST_ON_CPU, default_model_memory
from harness.engine.folding import folded
from harness.execute.worker.model_cache import Loaded, ModelCache, file_bytes, load_model

PATIENCE = 30.0  # seconds until a hanging test fails; no result depends on it
CPU = torch.device("cpu")


def toy(size: int) -> Loaded:
    """A model that is said to take ``size`` bytes."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    classifier = Classifier(network, Preprocessing((1, 1)), 2)
    return Loaded(PixelClassifier(classifier, device=CPU, fold_batch_norm=False), None, size)


class Shelf:
    """Loads toys of known sizes; it notes what is loaded, and where, and when two would overlap.

    Loads of names in ``held`` wait for `release`; those in ``errors`` raise.
    """

    def __init__(self, sizes: Mapping[str, int], *, held: str = "") -> None:
        self.sizes = sizes
        self.errors: dict[str, Exception] = {}
        self.loads: list[str] = []
        self.foreground: list[str] = []
        self.begun = {name: threading.Event() for name in sizes}
        self.gates = {name: threading.Event() for name in sizes}
        for name in sizes:
            if name not in held:
                self.release(name)
        self.one_at_a_time = threading.Lock()

    def release(self, name: str) -> None:
        self.gates[name].set()

    def wait_for(self, name: str) -> None:
        assert self.begun[name].wait(PATIENCE)

    def load(self, name: str) -> Loaded:
        assert self.one_at_a_time.acquire(blocking=False), "two loads at a time"
        try:
            self.loads.append(name)
            if threading.current_thread() is threading.main_thread():
                self.foreground.append(name)
            self.begun[name].set()
            assert self.gates[name].wait(PATIENCE)
            if name in self.errors:
                raise self.errors[name]
            return toy(self.sizes[name])
        finally:
            self.one_at_a_time.release()

    def model_cache(self, limit: int) -> ModelCache:
        return ModelCache(self.load, self.sizes.__getitem__, limit=limit)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("load")] == []


def test_the_least_recently_used_goes_first() -> None:
    shelf = Shelf(dict.fromkeys("abcd", 10))
    with shelf.model_cache(30) as models:
        for name in "abc":
            models.use(name)
        first = models.use("a")
        assert models.resident == ("b", "c", "a")
        models.use("d")
        assert models.resident == ("c", "a", "d")
        assert models.use("a") is first
        models.use("b")
        assert models.resident == ("d", "a", "b")
    assert shelf.loads == ["a", "b", "c", "d", "b"]
    assert models.resident == ()


def test_a_large_model_drives_out_as_many_as_it_must_and_stays_whatever_its_size() -> None:
    shelf = Shelf({"a": 10, "b": 10, "c": 10, "big": 25, "huge": 99})
    with shelf.model_cache(36) as models:
        for name in ("a", "b", "c", "big"):
            models.use(name)
        assert models.resident == ("c", "big")
        models.use("huge", then="a")
        assert models.resident == ("huge",)
        assert models.use("huge").bytes == 99
        models.use("a")
        assert models.resident == ("a",)
    assert shelf.foreground == shelf.loads, "nothing fitted beside the huge one"


def test_an_evicted_model_is_let_go_of() -> None:
    """Folded networks refer to themselves, which counting references alone does not free."""
    import weakref

    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten()).eval()
    classifier = Classifier(network, Preprocessing((1, 1)), 2)
    model = PixelClassifier(classifier, device=CPU, fold_batch_norm=True)
    assert model.differentiable is not None
    assert "BatchNorm2d" not in repr(model.differentiable)
    weight = weakref.ref(next(model.differentiable.parameters()))
    made = {"a": Loaded(model, None, 10), "b": toy(10)}
    del model, network, classifier
    with ModelCache(made.pop, lambda name: 10, limit=10) as models:
        models.use("a")
        assert weight() is not None
        models.use("b")
        assert weight() is None


def test_the_next_load_begins_before_the_present_work_ends() -> None:
    shelf = Shelf(dict.fromkeys("abc", 10))
    with shelf.model_cache(100) as models:
        models.use("a", then="b")
        shelf.wait_for("b")  # without anyone having asked for it
        assert models.resident == ("a",)
        models.use("b", then="c")
        shelf.wait_for("c")
        models.use("c")
        assert models.resident == ("a", "b", "c")
    assert (shelf.loads, shelf.foreground) == (["a", "b", "c"], ["a"])


def test_its_turn_comes_while_it_is_being_loaded() -> None:
    shelf = Shelf(dict.fromkeys("ab", 10), held="b")
    with shelf.model_cache(100) as models:
        models.use("a", then="b")
        shelf.wait_for("b")
        threading.Timer(0.05, shelf.release, "b").start()
        assert models.use("b").bytes == 10
    assert shelf.loads == ["a", "b"]


def test_never_two_loads_at_a_time_nor_two_ahead() -> None:
    shelf = Shelf(dict.fromkeys("abcd", 10), held="b")
    with shelf.model_cache(100) as models:
        models.use("a", then="b")
        shelf.wait_for("b")
        models.use("a", then="c")
        assert shelf.loads == ["a", "b"]
        threading.Timer(0.05, shelf.release, "b").start()
        models.use("d")  # another one than was foreseen: the lock of `load` sees it wait
        assert models.resident == ("a", "d")
    assert shelf.loads == ["a", "b", "d"]


@pytest.mark.parametrize(("limit", "ahead"), [(29, False), (30, True)])
def test_it_is_loaded_ahead_only_if_it_fits_beside_the_present_one(limit: int, ahead: bool) -> None:
    shelf = Shelf({"old": 10, "a": 10, "b": 20})
    with shelf.model_cache(limit) as models:
        models.use("old")
        models.use("a", then="b")
        if ahead:
            shelf.wait_for("b")
            assert models.resident == ("a",), "the one that nobody uses made room"
        models.use("b")
    assert ("b" in shelf.foreground) is not ahead


def test_an_estimate_that_was_too_small_breaks_no_limit() -> None:
    shelf = Shelf({"a": 20, "b": 20})
    with ModelCache(shelf.load, lambda name: 1, limit=30) as models:
        models.use("a", then="b")
        shelf.wait_for("b")
        models.use("b")
        assert models.resident == ("b",)
    assert (shelf.loads, shelf.foreground) == (["a", "b", "b"], ["a", "b"])


def test_an_error_of_the_load_ahead_comes_when_its_turn_does() -> None:
    shelf = Shelf(dict.fromkeys("abc", 10))
    shelf.errors["b"] = ModelError("is no model", where="b.onnx")
    with shelf.model_cache(100) as models:
        models.use("a", then="b")
        shelf.wait_for("b")
        assert models.use("a").bytes == 10
        with pytest.raises(ModelError, match=r"b\.onnx: is no model"):
            models.use("b", then="c")
        assert models.resident == ("a",)
        assert models.use("c").bytes == 10
    assert shelf.loads == ["a", "b", "c"]


def test_no_memory_beside_the_present_one_means_to_wait() -> None:
    shelf = Shelf(dict.fromkeys("ab", 10))
    problem = ModelError("loader raised")
    problem.__cause__ = torch.OutOfMemoryError("CUDA out of memory")
    shelf.errors["b"] = problem
    with shelf.model_cache(100) as models:
        models.use("a", then="b")
        shelf.wait_for("b")
        assert models._ahead is not None
        models._ahead.found.exception(PATIENCE)
        shelf.errors.clear()
        assert models.use("b").bytes == 10
    assert shelf.foreground == ["a", "b"]


def test_a_model_loaded_ahead_gives_way_too() -> None:
    shelf = Shelf(dict.fromkeys("ab", 10))
    with shelf.model_cache(100) as models:
        models.use("a", then="b")
        shelf.wait_for("b")
        models.evict_others()
        assert [t.name for t in threading.enumerate() if t.name.startswith("load")] == []
        models.use("b")
    assert shelf.loads == ["a", "b", "b"], "what was loaded ahead is gone"
    assert shelf.foreground == ["a", "b"]


def test_models_that_only_wait_give_way() -> None:
    shelf = Shelf(dict.fromkeys("abc", 10))
    with shelf.model_cache(100) as models:
        for name in "abc":
            models.use(name)
        models.evict_others()
        assert models.resident == ("c",)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ModelError("stopped")])
def test_leaving_waits_for_the_load_that_has_begun(stop: type | Exception) -> None:
    shelf = Shelf(dict.fromkeys("ab", 10), held="b")

    def interrupted() -> None:
        with shelf.model_cache(100) as models:
            models.use("a", then="b")
            shelf.wait_for("b")
            threading.Timer(0.05, shelf.release, "b").start()
            raise stop

    with pytest.raises((KeyboardInterrupt, ModelError)):
        interrupted()
    assert shelf.one_at_a_time.acquire(blocking=False), "the load has ended"


class Convolutions(ModelLoader):
    """Two convolutions with batch norms; a weight file that is not there is an error."""

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        if spec.architecture == "missing":
            raise MissingError("no weights", where=spec.name)
        if spec.architecture == "bug":
            raise ZeroDivisionError("oops")
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
        )  # fmt: skip
        generator = torch.Generator().manual_seed(0)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
        forward = network.forward if spec.architecture == "session" else None
        return Classifier(network.eval().to(device), spec.preprocessing, 10, forward)


def spec_of(architecture: str, weights: object = None) -> ModelSpec:
    return ModelSpec(architecture, architecture, weights, Preprocessing((32, 32)), 10, {})  # type: ignore[arg-type]


def load(architecture: str) -> Loaded:
    return load_model(Convolutions(), spec_of(architecture), CPU, fold_batch_norm=True)


def test_a_model_loaded_ahead_is_the_one_loaded_in_the_foreground() -> None:
    threads: list[str] = []

    def noted(name: str) -> Loaded:
        threads.append(threading.current_thread().name)
        return load("plain")

    with ModelCache(noted, lambda name: 0, limit=10**9) as models:
        models.use("first", then="second")
        images = torch.rand((7, 3, 32, 32), generator=torch.Generator().manual_seed(1))
        results = []
        for name in ("first", "second"):
            model = models.use(name).model
            point = images.clone().requires_grad_()
            logits = model.forward(point)
            logits.logsumexp(1).sum().backward()
            results.append((model.predict(images), logits.detach(), point.grad))
    assert threads == ["MainThread", "load second"]
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_bytes_are_those_of_the_folded_network_and_of_a_runtime(tmp_path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(1000))
    # Two convolutions with biases, the linear layer, and the preprocessing's scale and shift.
    values = 3 * 16 * 9 + 16 + 16 * 16 * 9 + 16 + 16 * 10 + 10 + 3 + 1
    assert load("plain").bytes == 4 * values
    spec = spec_of("session", weights)
    both = load_model(Convolutions(), spec, CPU, fold_batch_norm=True)
    assert both.bytes == 4 * values + 1000
    assert file_bytes(spec) == 1000
    assert file_bytes(spec_of("session")) == file_bytes(spec_of("session", tmp_path / "no")) == 0


def test_errors_of_loaders_are_one_line() -> None:
    with pytest.raises(MissingError, match="no weights"):
        load("missing")
    with pytest.raises(ModelError, match="model bug: loader Convolutions raised ZeroDivisionError"):
        load("bug")


def test_a_model_works_while_another_one_is_folded() -> None:
    """Tracing changes every module's calls, on every thread, until it is done."""
    tracing, traced = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if isinstance(images, torch.fx.Proxy):
                tracing.set()
                assert traced.wait(PATIENCE)
            return images * 2

    slow = nn.Sequential(Slow(), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).eval().requires_grad_(False)
    busy = load("plain").model
    images = torch.rand((3, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    alone = busy.predict(images)
    found: list[nn.Module] = []
    thread = threading.Thread(target=lambda: found.append(folded(slow, (3, 32, 32))))
    thread.start()
    try:
        assert tracing.wait(PATIENCE)
        beside = busy.predict(images)
    finally:
        traced.set()
        thread.join(PATIENCE)
    assert torch.equal(beside, alone)
    assert torch.equal(busy.predict(images), alone)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in found[0].modules())
    with torch.inference_mode():
        assert torch.allclose(found[0](images), slow(images), atol=1e-6)


def test_a_sensible_share_of_the_memory() -> None:
    assert 0 < default_model_memory(CPU) <= MOST_ON_CPU
