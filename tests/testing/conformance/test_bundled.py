"""The bundled plugins keep every rule: the three lines of a third party, and one more example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.api import ModelExample


def from_the_hub(folder: Path) -> ModelExample:
    """A repository in the Hub's cache, which for these tests is an empty folder."""
    import timm
    import torch
    from huggingface_hub import constants
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        network = timm.create_model("test_resnet", pretrained=False, num_classes=7)
    repository = Path(constants.HF_HUB_CACHE) / "models--someone--net"
    snapshot = repository / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c" * 40)
    save_file(network.state_dict(), snapshot / "model.safetensors")
    config = {
        "architecture": "test_resnet",
        "num_classes": 7,
        "pretrained_cfg": {"input_size": [3, 32, 32], "num_classes": 7},
    }
    (snapshot / "config.json").write_text(json.dumps(config))
    entry = {"architecture": "someone/net", "classes": 7, "preprocessing": {"size": [32, 32]}}
    return ModelExample(entry=entry)


HARNESS_EXAMPLES = {"model_loader:hf-hub": from_the_hub}


@pytest.fixture(scope="module", autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from huggingface_hub import constants, file_download

    cache = str(tmp_path_factory.mktemp("hub"))
    with pytest.MonkeyPatch.context() as patched:
        for module in (constants, file_download):
            patched.setattr(module, "HF_HUB_CACHE", cache, raising=False)
        yield


# Attacks of other libraries keep what those keep: `benchmarks/foreign.py` tries each of them.
@pytest.mark.conformance("frontier-harness", name="!*:*")
def test_bundled(case):
    case.check()
