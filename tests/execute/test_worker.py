"""A worker alone: shards in, rows out, in this process and in others."""

from __future__ import annotations

import pickle
from contextlib import contextmanager

import pytest

from harness.api import Devices, Done, Joined, Placement, Yielded
from harness.execute.driver.provision import provided
from harness.execute.driver.targets import Facts, assign_targets
from harness.execute.events import Attacked, Beat, Began, Predicted, Tried, Unusable
from harness.execute.executors.inline import Inline
from harness.execute.executors.processes import Processes
from harness.execute.images import Images
from harness.execute.pending import plan_images
from harness.execute.shards import Shard, cut, speaker, task_groups
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import prepare
from harness.resolve.request import Request

OVERLAY = """\
suites:
  tiny:
    dataset: digits
    models: [digits-alexnet]
    images: 6
    accuracy_images: 12
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}, keep: true}
    metrics: [success]
"""


class Watch:
    """Notes what plugins are called for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[tuple[str, str]]]] = []

    def call(self, what, images=()):
        self.calls.append((what, list(images)))

    def idle(self):
        pass

    def beat(self):
        pass


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(OVERLAY)
    resolved = prepare(Request(suite="tiny"), load([path]), installed())
    images = Images(resolved.dataset)
    images.identify(plan_images(resolved.plan))
    program, _ = provided(resolved, installed(), images, tmp_path, batch_size=4)
    return resolved, program, images


def source(request):
    raise AssertionError("this host has everything")


def here(watch=None):
    """The executor of this process."""
    return Inline(Placement(devices=Devices("cpu")), watch or Watch())


@contextmanager
def started(executor, program):
    with executor:
        executor.start(program, source)
        while not isinstance(executor.next(60), Joined):
            pass
        yield executor


def shards(plan, images, clean):
    """The shards of the clean pass, and of the attack when its ``clean`` predictions are known."""
    found = {images.keys[row.image_id]: row for row in clean}
    facts = Facts(keys=images.keys, clean=found, deadly=lambda _: None)
    for cells in task_groups(plan.cells):
        ids = [image.id for image in cells[0].images]
        targets = {
            (cell.key, image): target
            for cell in cells
            if cell.task is not None
            for image, target in assign_targets(cell, ids, facts)[0].items()
        }
        task = cut(cells, [images.keys[image] for image in ids], targets, {})
        yield Shard(
            model=cells[0].model.name,
            label=cells[0].label,
            speaker=speaker(cells[0]),
            task=task,
            trial=tuple(images.keys)[:4],
        )


def done(executor, shard):
    """All events of ``shard``."""
    executor.submit(0, shard)
    found = []
    while not isinstance(report := executor.next(60), Done):
        found += [report.event] if isinstance(report, Yielded) else []
    return found


def rows(reports, kind):
    return [row for report in reports if isinstance(report, kind) for row in report.rows]


def test_the_same_rows_here_and_in_another_process(tiny):
    resolved, program, images = tiny
    plan, watch, found = resolved.plan, Watch(), []
    for executor in (here(watch), Processes(Placement(devices=Devices.parse("cpu:1")))):
        with started(executor, program):
            (first, _) = shards(plan, images, ())
            clean = done(executor, first)
            assert [type(each) for each in clean[:2]] == [Tried, Began]
            predicted = rows(clean, Predicted)
            (_, second) = shards(plan, images, predicted)
            attacked = done(executor, second)
            assert attacked[0] == Began(4, ("digits-alexnet",)), (
                "the model is in memory, and was tried"
            )
            found.append((predicted, rows(attacked, Attacked)))
    assert found[0] == found[1]
    predicted, outcomes = found[0]
    assert [row.image_id for row in predicted] == list(images.keys)
    right = {row.image_id for row in predicted[:6] if row.correct}
    assert sorted(row.image_id for row in outcomes) == sorted(2 * list(right))
    assert watch.calls[0] == ("the loading of digits-alexnet (plugin frontier-harness:digits)", [])
    told = [image for what, some in watch.calls if "fgsm" in what for image in some]
    assert {image for _, image in told} == right


def test_candidates_travel_with_the_rows_that_are_to_be_kept(tiny):
    resolved, program, images = tiny
    with started(here(), program) as executor:
        (first, _) = shards(resolved.plan, images, ())
        (_, second) = shards(resolved.plan, images, rows(done(executor, first), Predicted))
        for event in done(executor, second):
            if isinstance(event, Attacked):
                assert list(event.saved) == [row.image_id for row in event.rows]
                assert event.candidates.shape == (len(event.rows), 3, 32, 32)
                assert pickle.loads(pickle.dumps(event)).rows == event.rows
            else:
                assert isinstance(event, Began | Beat)


def test_a_model_that_cannot_be_loaded_is_an_event_and_the_worker_lives_on(tiny, tmp_path):
    resolved, _, images = tiny

    class FailsOnce:
        def __init__(self, loader):
            self.loader, self.failed = loader, False

        def load(self, spec, device):
            if self.failed:
                return self.loader.load(spec, device)
            self.failed = True
            raise RuntimeError("no such network")

    (name,) = resolved.models
    (first, _) = shards(resolved.plan, images, ())
    loader, spec = resolved.models[name]
    resolved.models[name] = (FailsOnce(loader), spec)
    broken, _ = provided(resolved, installed(), images, tmp_path, batch_size=4)
    with started(here(), broken) as executor:
        (only,) = done(executor, first)
        assert isinstance(only, Unusable)
        assert "no such network" in only.error
        assert rows(done(executor, first), Predicted)
