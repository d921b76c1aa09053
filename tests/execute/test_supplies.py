"""A worker on a host that lacks the run's files gets them, and finds the very same rows."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from harness.api import (
    Cut,
    DataError,
    Devices,
    Done,
    Joined,
    MissingError,
    Placement,
    Refused,
    Yielded,
)
from harness.errors import StoreError
from harness.execute.driver.provision import manifest_of, settings_of
from harness.execute.driver.targets import Facts, assign_targets
from harness.execute.events import Attacked, CleanSeen, MeasuredRows, Noted, Predicted, SetSeen
from harness.execute.executors.processes import Processes
from harness.execute.images import Images
from harness.execute.pending import plan_images
from harness.execute.shards import (
    CleanTask,
    Shard,
    Shown,
    ShownClean,
    ShownSet,
    TransferTask,
    cut,
    task_groups,
)
from harness.execute.worker.passport import Passport
from harness.execute.worker.program import Program
from harness.execute.worker.supplies.dataset import SuppliedDataset
from harness.execute.worker.supplies.requests import (
    ImageRequest,
    IntactRequest,
    Refusal,
    RowsRequest,
    Sent,
    WeightsRequest,
)
from harness.execute.worker.supplies.saved import SavedExamples
from harness.execute.worker.supplies.source import ManifestSource
from harness.execute.worker.supplies.weights import SuppliedWeights
from harness.execute.worker.worker import Worker
from harness.identity import file_sha256
from harness.planning import Adaptation
from harness.plugins import installed
from harness.registry import load
from harness.resolve.places import HostPath
from harness.resolve.prepare import prepare
from harness.resolve.request import Request
from harness.sealed import SavedRow, write

SUITE = """\
datasets:
  drawn: {{reader: folder, version: "1", classes: 10, options: {{classes: natural}}}}
models:
  plain:
    loader: digits
    architecture: digits-alexnet
    family: AlexNet
    classes: 10
    weights: {{file: {weights}}}
    preprocessing: {{size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
suites:
  drawn:
    dataset: drawn
    models: [plain]
    images: 12
    accuracy_images: 12
    attacks:
      - {{attack: fgsm, goals: [untargeted], parameters: {{epsilon: 0.1}}, keep: true}}
    measurements:
      - measurement: surface
        goals: [untargeted]
        parameters: {{points: 3, direction: attack, attack: fgsm}}
    metrics: [success]
"""
NOWHERE = Path("/no/such/place")
HERE = socket.gethostname()


class Watch:
    """Asks the driver's host, as if over a network, and counts what is asked for."""

    def __init__(self, source):
        self.source, self.asked = pickle.dumps(source), Counter()
        self._there = None

    def ask(self, request):
        self._there = self._there or pickle.loads(self.source)
        self.asked[type(request).__name__] += 1
        return pickle.loads(pickle.dumps(self._there(pickle.loads(pickle.dumps(request)))))

    def call(self, what, images=()):
        pass

    def idle(self):
        pass

    def beat(self):
        pass


class Alone(Watch):
    """On the driver's own host nothing needs to be asked for."""

    def __init__(self):
        pass

    def ask(self, request):
        raise AssertionError(f"{request} is here")


class Run:
    """A run of the images at ``root``, whose driver keeps its files in ``folder``."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / "drawn"
        draw(self.root)
        weights = folder / "plain.safetensors"
        tensors = load_file(Path("plugins/harness_digits/weights/digits-alexnet.safetensors"))
        save_file(tensors, weights, metadata={"of": "this test alone"})
        overlay = folder / "drawn.yaml"
        overlay.write_text(SUITE.format(weights=weights))
        asked = Request(suite="drawn", data={"drawn": self.root})
        self.resolved = prepare(asked, load([overlay]), installed())
        self.images = Images(self.resolved.dataset)
        self.images.identify(plan_images(self.resolved.plan))
        self.artifacts = folder / "harness.db.artifacts"
        self.artifacts.mkdir()
        self.manifest = manifest_of(self.resolved, self.images, self.artifacts)
        self.source = ManifestSource(self.manifest)

    def manifest_on(self, root=NOWHERE, **changed):
        """The manifest where the driver's paths lead nowhere."""
        manifest = self.manifest
        weights = {
            name: replace(
                each,
                files=tuple(replace(file, path=NOWHERE / file.path.name) for file in each.files),
            )
            for name, each in manifest.weights.items()
        }
        reader = replace(manifest.reader, spec=replace(manifest.reader.spec, root=root))
        return replace(manifest, reader=reader, weights=weights, **changed)

    def settings(self, manifest):
        return pickle.loads(pickle.dumps(settings_of(self.resolved, manifest, 4)))

    def work(self, manifest, watch, *shards):
        """All that a worker yields."""
        with Worker(self.settings(manifest), torch.device("cpu"), watch, fits=1) as worker:
            return [event for shard in shards for event in worker.do(shard)]

    def shard(self, task):
        trial = tuple(self.images.keys)[:4]
        return Shard(model="plain", label="test", speaker="model plain", task=task, trial=trial)

    def shards(self, predicted, starts):
        """The attack, and the measurement that starts from its saved examples."""
        keys = self.images.keys
        clean = {keys[row.image_id]: row for row in predicted}
        facts = Facts(keys=keys, clean=clean, deadly=lambda _: None)
        for cells in task_groups(self.resolved.plan.cells)[1:]:
            ids = [image.id for image in cells[0].images]
            found, _ = assign_targets(cells[0], ids, facts)
            targets = {(cells[0].key, image): target for image, target in found.items()}
            kept = [keys[image] for image in ids if starts is None or keys[image] in starts]
            yield self.shard(cut(cells, kept, targets, starts or {}))


def draw(root):
    """Twelve images of digits, as PNG and JPEG of several sizes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(12):
        label = int(digits.target[number])
        image = Image.fromarray((digits.images[number] * 15.9).astype(np.uint8)).convert("RGB")
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        kind = "jpg" if number % 2 else "png"
        image.resize((40 + number, 48), Image.Resampling.BILINEAR).save(folder / f"{number}.{kind}")
    for label in range(10):
        (root / str(label)).mkdir(exist_ok=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("driver"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "frontier-harness" / "weights"


@pytest.fixture(scope="module")
def local(run):
    """What a worker with all files finds: clean predictions, outcomes, and its saved examples."""
    (first,) = [run.shard(CleanTask(tuple(run.images.keys.values())))]
    clean = run.work(run.manifest, Alone(), first)
    (attack, _) = run.shards(rows(clean, Predicted), None)
    attacked = run.work(run.manifest, Alone(), attack)
    names, pixels = [], []
    for event in attacked:
        if isinstance(event, Attacked):
            names += event.saved
            pixels.append(event.candidates)
    assert len(names) > 6, "most digits are predicted correctly"
    file = sealed(run.artifacts, np.concatenate(pixels))
    starts = {run.images.keys[name]: SavedRow(file, row) for row, name in enumerate(names)}
    return first, attack, clean, attacked, starts


def sealed(folder, pixels):
    raw, file = folder / "raw", folder / "new"
    raw.write_bytes(pixels.tobytes())
    with raw.open("rb") as given, file.open("wb") as written:
        write(given, written, cell="cell", shape=pixels.shape)
    raw.unlink()
    return file.rename(folder / f"{file_sha256(file)}.safetensors")


def rows(events, kind):
    return [row for event in events if isinstance(event, kind) for row in event.rows]


def notes(events):
    return list(dict.fromkeys(event.text for event in events if isinstance(event, Noted)))


def away(row):
    return SavedRow(NOWHERE / row.file.name, row.row)


def test_a_host_with_nothing_finds_the_same_rows_bit_for_bit(run, local, cache):
    first, attack, clean, attacked, _ = local
    watch, manifest = Watch(run.source), run.manifest_on()
    found = run.work(manifest, watch, first, attack)
    assert rows(found, Predicted) == rows(clean, Predicted)
    assert rows(found, Attacked) == rows(attacked, Attacked)
    mine = [event.candidates for event in found if isinstance(event, Attacked)]
    theirs = [event.candidates for event in attacked if isinstance(event, Attacked)]
    assert np.concatenate(mine).tobytes() == np.concatenate(theirs).tobytes()
    assert watch.asked == {"ImageRequest": 12, "WeightsRequest": 1}, "each image is asked for once"
    (line,) = notes(found)
    assert line.startswith(f"{HERE}: drawn: {NOWHERE}: ")
    assert f"--data drawn@{HERE}=PATH" in line
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    assert folder.name == manifest.weights["plain"].sha256
    assert file_sha256(folder / "plain.safetensors") == folder.name


def test_workers_in_other_processes_ask_as_well(run, local):
    first, _, clean, *_ = local
    settings = settings_of(run.resolved, run.manifest_on(), 4)
    events = []
    with Processes(Placement(devices=Devices("cpu", workers=1))) as executor:
        executor.start(Program(settings, Passport.of(installed())), run.source)
        while not isinstance(report := executor.next(60), Done):
            if isinstance(report, Joined):
                executor.submit(report.worker, first)
            assert not isinstance(report, Refused), report
            events += [report.event] if isinstance(report, Yielded) else []
    assert rows(events, Predicted) == rows(clean, Predicted)
    assert len(notes(events)) == 1


def test_saved_examples_travel_for_measurements_and_transfers(run, local):
    *_, clean, _, starts = local
    predicted = rows(clean, Predicted)
    how = Adaptation((32, 32), "null", "none")
    shown = tuple(Shown(row, 3, 3) for row in starts.values())
    names = tuple(key.name for key in starts)

    def transfer(rows):
        sets = (ShownSet(False, how, rows),)
        return run.shard(TransferTask(sets, (ShownClean("plain", how, names),)))

    (_, measure) = run.shards(predicted, starts)
    expected = run.work(run.manifest, Alone(), measure, transfer(shown))
    (_, measure) = run.shards(predicted, {key: away(row) for key, row in starts.items()})
    watch = Watch(run.source)
    gone = tuple(replace(each, saved=away(each.saved)) for each in shown)
    found = run.work(run.manifest_on(), watch, measure, transfer(gone))
    measured = rows(found, MeasuredRows)
    assert [row.error for row in measured] == [None] * len(starts)
    for mine, theirs in zip(measured, rows(expected, MeasuredRows), strict=True):
        assert (mine.image_id, mine.numbers) == (theirs.image_id, theirs.numbers)
        for name, array in theirs.arrays.items():
            assert np.array_equal(mine.arrays[name], array)
    for kind in (SetSeen, CleanSeen):
        assert [e for e in found if isinstance(e, kind)] == [
            e for e in expected if isinstance(e, kind)
        ]
    assert watch.asked["RowsRequest"] == len(starts) + -(-len(starts) // 4), "transfers in batches"


def test_an_image_that_differs_there_comes_from_the_driver(run, local, tmp_path):
    first, _, clean, *_ = local
    own = tmp_path / "scratch"
    shutil.copytree(run.root, own)
    changed, gone = sorted(run.images.keys)[:2]
    Image.new("RGB", (40, 40)).save(own / changed)
    (own / gone).unlink()
    places = (HostPath("*", NOWHERE), HostPath(f"{HERE[:2]}*", own), HostPath("other-host", "/x"))
    watch = Watch(run.source)
    manifest = replace(run.manifest_on(places=places), weights=run.manifest.weights)
    found = run.work(manifest, watch, first)
    assert rows(found, Predicted) == rows(clean, Predicted)
    assert watch.asked == {"ImageRequest": 2}
    (line,) = notes(found)
    assert line == (
        f"{HERE}: drawn: {own}: some images are missing, or are not this run's: these come from the"
        " driver's host"
    )


@pytest.mark.parametrize("size", [(32, 32), (20, 33)])
@pytest.mark.parametrize("cropped", [None, Cut(0.875, "bicubic")])
def test_pixels_are_the_same_whichever_way_they_come(run, size, cropped):
    here = SuppliedDataset(run.manifest, Alone().ask, print)
    there = SuppliedDataset(run.manifest_on(), Watch(run.source).ask, lambda line: None)
    for sample in here.samples():
        mine, theirs = here.read(sample, size, cropped), there.read(sample, size, cropped)
        assert mine.dtype == theirs.dtype == np.float32
        assert mine.tobytes() == theirs.tobytes()
        assert theirs.flags.writeable


def test_embedded_images_need_no_path(tmp_path):
    resolved = prepare(Request(suite="digits18", models=["digits-alexnet"], limit=5), load(),
                       installed())  # fmt: skip
    images = Images(resolved.dataset)
    images.identify(plan_images(resolved.plan)[:5])
    manifest = pickle.loads(pickle.dumps(manifest_of(resolved, images, tmp_path)))
    found = SuppliedDataset(manifest, Alone().ask, print)
    assert len(found.samples()) == 5
    asked = SuppliedDataset(
        replace(manifest, reader=replace(manifest.reader, kind=b"no pickle")),
        Watch(ManifestSource(manifest)).ask,
        lambda line: None,
    )
    for sample in found.samples():
        pixels = found.read(sample, (32, 32))
        assert pixels.tobytes() == asked.read(sample, (32, 32)).tobytes()
        assert np.any(pixels * 255 != np.rint(pixels * 255)), "not 8-bit: they travel as floats"
    with pytest.raises(DataError, match="comes in 32 x 32"):
        asked.read(sample, (8, 8))


def test_only_what_the_run_reads_is_handed_out(run, tmp_path):
    secret = sealed(tmp_path, np.zeros((1, 3, 2, 2), np.float32))
    requests = [
        ImageRequest("3/../../secret.png", (32, 32), None),
        WeightsRequest("plain", 1, 0),
        WeightsRequest("plain", -1, 0),
        WeightsRequest("/etc/passwd", 0, 0),
        RowsRequest(((str(secret), 0),)),
        RowsRequest(((f"../{secret.parent.name}/{secret.name}", 0),)),
        IntactRequest("../x"),
        secret,
        "ls",
    ]
    for request in requests:
        assert isinstance(run.source(request), Refusal), request


def test_an_image_that_changed_on_the_driver_s_host_is_an_error(tmp_path):
    run = Run(tmp_path)
    name = next(iter(run.images.keys))
    Image.new("RGB", (40, 40)).save(run.root / name)
    dataset = SuppliedDataset(run.manifest, run.source, lambda line: None)
    (sample,) = (each for each in dataset.samples() if each.id == name)
    with pytest.raises(DataError, match="has changed since the run began"):
        dataset.read(sample, (32, 32))


class Damaging(Watch):
    """One bit of some answers is lost on the way."""

    def __init__(self, source, times):
        super().__init__(source)
        self.times = times

    def ask(self, request):
        answer = super().ask(request)
        if isinstance(answer, Sent) and self.times:
            self.times -= 1
            array = answer.array.copy()
            array.reshape(-1).view(np.uint8)[-1] ^= 1
            return replace(answer, array=array)
        return answer


@pytest.mark.parametrize("times", [1, 9])
def test_damage_on_the_way_is_found(run, local, times):
    dataset = SuppliedDataset(run.manifest_on(), Damaging(run.source, times).ask, lambda line: None)
    saved = SavedExamples(Damaging(run.source, times).ask)
    (sample, *_), start = dataset.samples(), away(next(iter(local[-1].values())))
    if times == 1:  # it is asked for once more
        good = run.resolved.dataset.read(sample, (32, 32))
        assert dataset.read(sample, (32, 32)).tobytes() == good.tobytes()
        assert saved.read([start]).shape == (1, 3, 32, 32)
        return
    with pytest.raises(DataError, match="arrives damaged"):
        dataset.read(sample, (32, 32))
    with pytest.raises(StoreError, match="arrives damaged"):
        saved.read([start])


def test_damage_on_the_driver_s_disk_is_found(run, local, tmp_path):
    start = next(iter(local[-1].values()))
    folder = tmp_path / "artifacts"
    shutil.copytree(run.artifacts, folder)
    with (folder / start.file.name).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    saved = SavedExamples(ManifestSource(replace(run.manifest, artifacts=folder)))
    assert not saved.is_intact(NOWHERE / start.file.name)
    with pytest.raises(StoreError, match="the file is damaged"):
        saved.read([away(start)])
    assert SavedExamples(run.source).is_intact(NOWHERE / start.file.name)


def located(run, weights, ask):
    loader, spec = run.resolved.models["plain"]
    return SuppliedWeights(weights, ask).located(replace(spec, weights=NOWHERE), loader).weights


def test_weights_with_a_second_file_are_fetched_once_and_mended(run, tmp_path, cache):
    first, second = tmp_path / "big.onnx", tmp_path / "data" / "big.bin"
    second.parent.mkdir()
    first.write_bytes(bytes(range(256)) * 1000)
    second.write_bytes(b"x" * (9 * 2**20))
    (file,) = run.manifest.weights["plain"].files
    stamps = [(path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
              for path in (first, second)]  # fmt: skip
    there = replace(
        run.manifest.weights["plain"],
        files=(
            replace(file, path=first, name=first.name, stamp=stamps[0]),
            replace(file, path=second, name="data/big.bin", stamp=stamps[1]),
        ),
        sha256=file_sha256(first, second),
    )
    manifest = replace(run.manifest, weights={"plain": there})
    here = replace(there, files=tuple(replace(each, path=NOWHERE) for each in there.files))
    here = replace(here, files=tuple(replace(f, stamp=(0, f.bytes, 0)) for f in here.files))
    watch = Watch(ManifestSource(manifest))
    path = located(run, {"plain": here}, watch.ask)
    assert path == cache / there.sha256 / "big.onnx"
    assert (path.parent / "data" / "big.bin").read_bytes() == second.read_bytes()
    assert watch.asked == {"WeightsRequest": 3}
    assert located(run, {"plain": here}, Alone().ask) == path, "another worker of this host"
    path.write_bytes(b"damaged")
    assert located(run, {"plain": here}, watch.ask) == path
    assert path.read_bytes() == first.read_bytes()
    second.write_bytes(b"changed")
    shutil.rmtree(path.parent)
    with pytest.raises(MissingError, match="have changed since the run began"):
        located(run, {"plain": here}, watch.ask)
    assert not path.exists()


def test_two_workers_of_a_host_fetch_weights_once(run):
    weights, both = run.manifest_on().weights, threading.Event()
    asked = []

    def ask(request):
        asked.append(request)
        if len(asked) > 1:
            both.set()
        both.wait(1)  # in which nobody else asks
        return run.source(request)

    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(located, run, weights, ask) for _ in range(2))
        assert first.result() == second.result()
    assert len(asked) == 1


def test_a_cache_that_cannot_be_written_is_one_line(run, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(MissingError, match=r"its weights cannot be kept in .*XDG_CACHE_HOME"):
        located(run, run.manifest_on().weights, run.source)


def test_a_loader_s_own_weights_on_this_host_are_found(run):
    own = Path("plugins/harness_digits/weights/digits-alexnet.safetensors").absolute()
    weights = run.manifest_on().weights["plain"]
    (file,) = weights.files
    weights = replace(weights, files=(replace(file, stamp=(0, 0, 0)),), sha256=file_sha256(own))
    assert located(run, {"plain": weights}, Alone().ask) == own


def test_a_source_is_unpickled_without_plugins_or_torch(run, tmp_path):
    path = tmp_path / "source"
    path.write_bytes(pickle.dumps(run.source))
    program = (
        "import pickle, pathlib, sys, json\n"
        f"source = pickle.loads(pathlib.Path({str(path)!r}).read_bytes())\n"
        "first = sorted({'torch', 'harness_datasets', 'PIL'} & set(sys.modules))\n"
        "from harness.execute.worker.supplies.requests import ImageRequest\n"
        f"answer = source(ImageRequest({next(iter(run.images.keys))!r}, (32, 32), None))\n"
        "print(json.dumps([first, answer.array.dtype.str, 'torch' in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert json.loads(done.stdout) == [[], "|u1", False], done.stderr
