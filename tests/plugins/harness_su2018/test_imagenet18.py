"""The study's models and suites, against its tables and its code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from harness.api import Goal
from harness.plugins import Kind, installed
from harness.registry import ModelEntry, load
from harness.resolve.components import attack_components
from harness.resolve.given import Given, aimed, given_label
from harness_slim.networks import NETWORKS
from harness_su2018.importing.known import MODELS, Known

REGISTRY = load()
NAMES = [known.name for known in MODELS]
STUDY = [REGISTRY.models[name] for name in NAMES]
HUBS = [entry.chosen("hub") for entry in STUDY if "hub" in entry.sources]

# Table 1 of Su et al. 2018: top-1, top-5, layers, millions of parameters. What it gives as layers
# of the MobileNets are their input sizes; it gives none of NASNet.
TABLE = {
    "alexnet": (56.9, 80.1, 8, 60),
    "vgg16": (71.5, 89.8, 16, 138),
    "vgg19": (71.1, 89.8, 19, 144),
    "inception_v1": (69.8, 89.6, 22, 6.7),
    "inception_v2": (73.9, 91.8, 48, 11.3),
    "inception_v3": (78.0, 93.9, 48, 23.9),
    "inception_v4": (80.2, 95.2, 76, 42.9),
    "inception_resnet_v2": (80.4, 95.3, 96, 56.1),
    "resnet_v2_50": (75.6, 92.8, 50, 25.7),
    "resnet_v2_101": (77.0, 93.7, 101, 44.8),
    "resnet_v2_152": (77.8, 94.1, 152, 60.6),
    "densenet121_k32": (74.9, 92.2, 121, 8.2),
    "densenet169_k32": (76.1, 93.1, 169, 14.4),
    "densenet161_k48": (77.6, 93.8, 161, 29.0),
    "mobilenet_v1_025": (41.5, 66.3, None, 0.5),
    "mobilenet_v1_050": (59.1, 81.9, None, 1.4),
    "mobilenet_v1_100": (70.9, 89.9, None, 4.3),
    "nasnet_large": (82.7, 96.2, None, 88.9),
}
SAME = {
    "inception_v1", "inception_v3", "inception_v4", "inception_resnet_v2", "densenet121_k32",
    "densenet169_k32", "densenet161_k48", "mobilenet_v1_100", "nasnet_large",
}  # fmt: skip
NEAREST = {"alexnet", "vgg16", "vgg19", "resnet_v2_50", "resnet_v2_101"}


@pytest.mark.parametrize("entry", STUDY, ids=NAMES)
def test_a_model_is_table_1s(entry: ModelEntry) -> None:
    top1, top5, layers, millions = TABLE[entry.name]
    assert (entry.published.top1, entry.published.top5, entry.layers) == (top1, top5, layers)
    assert entry.parameters == round(millions * 1e6)
    assert entry.classes == 1000


@pytest.mark.parametrize(("entry", "known"), list(zip(STUDY, MODELS, strict=True)), ids=NAMES)
def test_the_papers_source_is_what_the_importer_writes(entry: ModelEntry, known: Known) -> None:
    """The authors' graphs, as `harness models import -o` their folder makes them."""
    paper = entry.chosen("paper")
    assert (paper.loader, paper.fidelity) == ("onnx", "same_weights")
    assert paper.weights.cached == f"{entry.name}.onnx"
    assert (paper.family, paper.year, paper.input.size) == (
        known.family, known.year, (known.size, known.size),
    )  # fmt: skip
    normalisation = known.normalisation
    assert paper.input.mean == normalisation.mean
    assert paper.input.std == pytest.approx(normalisation.std, rel=1e-15)
    assert paper.input.channels == normalisation.channels
    thousand = known.family in ("VGG", "DenseNet", "AlexNet")
    assert paper.input.background == (None if thousand else 0)


def test_normalisation_is_the_released_codes() -> None:
    """x * 255 - mean, times 0.017 for the DenseNets, on a grey and on a coloured pixel."""
    pixel = (0.2, 0.5, 0.7)

    def normalised(name: str) -> list[float]:
        entry = REGISTRY.models[name].input
        values = [(x - m) / s for x, m, s in zip(pixel, entry.mean, entry.std, strict=True)]
        return values[::-1] if entry.channels == "bgr" else values

    vgg = [51 - 123.68, 127.5 - 116.78, 178.5 - 103.94]
    assert normalised("vgg16") == pytest.approx(vgg, rel=1e-9)
    assert normalised("densenet121_k32") == pytest.approx([x * 0.017 for x in vgg], rel=1e-9)
    # B, G, R: 104, 117, 124
    assert normalised("alexnet") == pytest.approx([178.5 - 104, 127.5 - 117, 51 - 124], rel=1e-9)
    assert normalised("nasnet_large") == pytest.approx([2 * x - 1 for x in pixel])


def test_fidelity_is_said_of_every_source() -> None:
    assert {hub.name for hub in HUBS if hub.fidelity == "same_weights"} == SAME
    assert {hub.name for hub in HUBS if hub.fidelity == "nearest"} == NEAREST
    without = [entry for entry in STUDY if "hub" not in entry.sources]
    assert [entry.name for entry in without] == [
        "inception_v2", "resnet_v2_152", "mobilenet_v1_025", "mobilenet_v1_050",
    ]  # fmt: skip
    for entry in without:
        assert "No hub has" in entry.notes
        assert entry.chosen(None).source_name == "slim"


SLIM = [entry.name for entry in STUDY if "slim" in entry.sources]


def test_tf_slim_has_all_but_alexnet_and_the_densenets() -> None:
    assert set(NAMES) - set(SLIM) == {
        "alexnet", "densenet121_k32", "densenet169_k32", "densenet161_k48",
    }  # fmt: skip
    assert set(NETWORKS) == set(SLIM)
    for entry in STUDY:
        if "hub" in entry.sources:
            assert next(iter(entry.sources)) == "hub"
        assert list(entry.sources).index("paper") <= 2


@pytest.mark.parametrize("name", SLIM)
def test_slims_source_is_its_network(name: str) -> None:
    """Size, background, file and bytes are the network's; its parameters are Table 1's."""
    entry, network = REGISTRY.models[name].chosen("slim"), NETWORKS[name]
    assert (entry.loader, entry.architecture, entry.fidelity) == ("slim", name, "same_weights")
    assert entry.weights.cached == f"{name}-slim.safetensors"
    assert entry.input == REGISTRY.models[name].input
    assert entry.input.size == (network.size, network.size)
    assert entry.input.background == network.background
    with torch.device("meta"):
        module = network.build(network.outputs)
    tensors = [each for each in module.state_dict().values() if each.is_floating_point()]
    source = REGISTRY.models[name].sources["slim"]
    assert source.bytes == 4 * sum(each.numel() for each in tensors)
    assert source.bytes / 4 == pytest.approx(REGISTRY.models[name].parameters, rel=0.05, abs=3e4)
    how = entry.weights.how or ""
    address, command = how.split(", then: ")
    file = address.rsplit("/", 1)[1]
    assert command == f"harness models import {file} -o {{folder}}"
    assert file.startswith(network.files)
    assert address.removeprefix("fetch ").startswith(
        ("https://download.tensorflow.org/models/", "https://storage.googleapis.com/download.tens")
    )


def test_the_small_mobilenets_have_the_studys_own_size() -> None:
    for name, size in (("mobilenet_v1_025", 128), ("mobilenet_v1_050", 160)):
        entry = REGISTRY.models[name]
        code = entry.chosen("survey-code")
        assert entry.input.size == (size, size)
        assert code.input.size == (224, 224)
        assert code.weights == entry.chosen("paper").weights
        assert code.input.background == 0


@pytest.mark.parametrize("hub", HUBS, ids=lambda hub: hub.name)
def test_what_a_hub_says_of_its_model_is_in_the_registry(hub: ModelEntry) -> None:
    """timm's and torchvision's own records of preprocessing."""
    loader = installed().get(Kind.MODEL_LOADER, hub.loader).load()()
    described = loader.describe(hub.architecture)
    assert described.architecture == hub.architecture
    assert described.classes == hub.classes
    assert described.preprocessing == hub.preprocessing


def test_the_data_set_is_the_studys_1000_images() -> None:
    dataset = REGISTRY.datasets["imagenet"]
    assert (dataset.reader, dataset.version, dataset.classes) == (
        "imagenet",
        "ilsvrc2012-val",
        1000,
    )
    assert dataset.options == {"list": "survey-1000", "resize": "paper"}
    assert dataset.root is None


def planned(suite: str) -> dict[str, tuple[tuple[Goal, ...], bool]]:
    """Each attack's label with its goals and whether its images are kept; all parameters work."""
    catalog, entry = installed(), REGISTRY.suites[suite]
    found = [
        found
        for attack in entry.attacks
        for made in attack_components(
            attack, entry, catalog.get(Kind.ATTACK, attack.attack), "here"
        )
        for found, _ in aimed(made, Given(100, {"an image": 3}) if attack.list else None)
    ]
    labels = {given_label(each.label, each): (each.goals, each.keep) for each in found}
    assert len(labels) == len(found)
    return labels


def test_the_suite_is_the_study() -> None:
    suite = REGISTRY.suites["imagenet18"]
    assert list(suite.models) == NAMES
    assert (suite.images, suite.accuracy_images, suite.dataset) == (1000, None, "imagenet")
    assert {"accuracy", "success"} <= set(suite.metrics)
    measured = {each.measurement: (each.goals, each.images) for each in suite.measurements}
    assert measured == {
        "clever": ((Goal.RANDOM, Goal.LEAST_LIKELY), 100),
        "divergence": ((Goal.UNTARGETED,), 100),
    }
    attacks = planned("imagenet18")
    all_goals = (Goal.UNTARGETED, Goal.RANDOM, Goal.LEAST_LIKELY)
    two = (Goal.UNTARGETED, Goal.RANDOM)
    expected = {
        f"fgsm{extra}": two for extra in (" epsilon=0.1", " epsilon=0.2", "")
    }  # 0.3: default
    expected["ifgsm"] = all_goals  # the defaults: 9 attempts of 50 steps from 0.02
    for epsilon in ("0.1", "0.2", "0.3"):
        for steps in (" steps=10", " steps=30", ""):
            expected[f"ifgsm epsilon={epsilon}{steps}"] = all_goals
    for name in ("cw", "ead"):
        for kappa in ("", " kappa=10", " kappa=20", " kappa=30", " kappa=40"):
            expected[f"{name} preset=paper{kappa}"] = all_goals
    for label in ("ifgsm", "cw preset=paper"):
        expected[f"{label} targets=given"] = (Goal.RANDOM,)
    assert {label: goals for label, (goals, _) in attacks.items()} == expected
    kept = {label for label, (_, keep) in attacks.items() if keep}
    assert kept == {
        "fgsm epsilon=0.1", "fgsm epsilon=0.2", "fgsm",
        "ifgsm epsilon=0.1 steps=10", "ifgsm epsilon=0.2 steps=10", "ifgsm epsilon=0.3 steps=10",
        "ifgsm epsilon=0.3 steps=30", "ifgsm epsilon=0.3",
        "cw preset=paper", "cw preset=paper kappa=40",
        "ead preset=paper", "ead preset=paper kappa=40",
    }  # fmt: skip


def test_the_quick_suite_is_one_search() -> None:
    suite = REGISTRY.suites["imagenet18-quick"]
    assert (suite.models, suite.images) == (REGISTRY.suites["imagenet18"].models, 100)
    assert planned("imagenet18-quick") == {"ifgsm": ((Goal.RANDOM,), False)}


def test_robust_accuracy_is_robustbenchs() -> None:
    """Linf 4/255, AutoAttack's standard version, all of its 5,000 images, untargeted."""
    suite = REGISTRY.suites["imagenet-linf4"]
    assert suite.models == REGISTRY.suites["imagenet18"].models
    assert (suite.images, suite.accuracy_images) == (None, None)
    assert REGISTRY.datasets[suite.dataset].options["list"] == "robustbench-5000"
    (attack,) = suite.attacks
    assert attack.parameters["epsilon"] == 4 / 255
    (label,) = planned("imagenet-linf4")
    assert planned("imagenet-linf4") == {label: ((Goal.UNTARGETED,), False)}
    assert label.startswith("autoattack-linf preset=standard")


def test_unverified_numbers_are_marked() -> None:
    lines = REGISTRY.suites["imagenet18"].file.read_text().splitlines()
    kappas = [line for line in lines if "preset: paper" in line]
    assert len(kappas) == 11
    for line in kappas:
        attack = yaml.safe_load(line.replace("*goals", "[]"))[0]
        kappa = attack.get("parameters", {}).get("kappa", 0)
        assert line.endswith("# unverified") == (kappa in (10, 20, 30))


def test_the_page_of_routes_has_every_route() -> None:
    """`benchmarks/routes.py` writes its table: each route with its loader, and that it ran."""
    page = Path(__file__).parents[3] / "docs" / "benchmarks" / "routes.md"
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in page.read_text().splitlines()
        if line.startswith("| ") and "`" in line
    ]
    found = {(name, source): rest for name, source, *rest in rows}
    routes = {
        (entry.name, source): entry.chosen(source)
        for entry in STUDY
        for source in entry.sources
        if source != "architecture"
    }
    assert found.keys() == routes.keys()
    for route, (loader, weights, size, parameters, _, outputs, error, _) in found.items():
        entry = routes[route]
        assert (loader, weights) == (entry.loader, entry.fidelity)
        known = REGISTRY.models[route[0]].sources[route[1]].bytes
        assert known is None or float(size) == pytest.approx(known / 1e6, rel=0.01)
        if loader != "onnx":
            assert float(error) < 1e-5
            assert outputs == ("1000" if entry.input.background is None else "1001")
            assert float(parameters.split()[0]) == pytest.approx(entry.parameters / 1e6, rel=0.07)
