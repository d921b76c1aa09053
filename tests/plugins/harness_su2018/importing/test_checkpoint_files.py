"""Where a checkpoint lies: in archives, beside others; what is missing, doubled or hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import torch

from harness.errors import DataError
from harness_slim.networks import NETWORKS
from harness_su2018.importing.slim.files import in_archive, looks_like_one, on_disk
from harness_su2018.importing.slim.plan import plan
from harness_su2018.importing.slim.variables import keras_variables, slim_name

TABLE = b"sorted strings" + bytes.fromhex("57fb808b247547db")


def archive(folder: Path, *names: str, content: bytes = TABLE, link: str | None = None) -> Path:
    path = folder / "net.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            if name == link:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def test_an_old_checkpoint_is_one_file(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = in_archive(archive(tmp_path, "./inception_v2.ckpt", "._inception_v2.ckpt"), scratch)
    assert found is not None
    assert (found.version, found.graphs) == ("V1", ())
    assert found.prefix.read_bytes() == TABLE
    assert found.where.endswith("net.tar.gz: 'inception_v2.ckpt'")


def test_a_new_one_is_an_index_and_its_shards(tmp_path: Path) -> None:
    pieces = [f"d/m.ckpt.data-0000{i}-of-00002" for i in range(2)]
    rest = ("d/m.ckpt.index", "d/m.ckpt.meta", "d/m_frozen.pb", "d/m.tflite", "d/checkpoint")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = in_archive(archive(tmp_path, *pieces, *rest), scratch)
    assert found is not None
    assert (found.version, found.graphs) == ("V2", ("m_frozen.pb",))
    assert found.prefix == scratch / "model"
    assert {path.name for path in scratch.iterdir()} == {
        "model.index", "model.data-00000-of-00002", "model.data-00001-of-00002",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.ckpt", "b.ckpt"), "holds 2 checkpoints: a.ckpt, b.ckpt; unpack it and name one"),
        (("a/m.ckpt", "b/m.ckpt"), "holds 2 checkpoints"),
        (("m.ckpt.index",), "lacks m.ckpt.data-00000-of-00001, part of the checkpoint"),
        (("m.ckpt.data-00000-of-00001",), "lacks m.ckpt.index"),
        (("m.ckpt.index", "m.ckpt.data-00001-of-00002"), "lacks m.ckpt.data-00000-of-00002"),
        (("../m.ckpt",), "leaves the archive's folder"),
        (("/m.ckpt",), "leaves the archive's folder"),
        (("link.ckpt", "m.ckpt"), "is a link to '/etc/passwd': refused"),
    ],
)
def test_what_an_archive_lacks_or_has_too_much_of(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    path = archive(tmp_path, *names, link="link.ckpt")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(DataError) as raised:
        in_archive(path, scratch)
    assert message in str(raised.value)
    assert {each.name for each in tmp_path.iterdir()} == {"net.tar.gz", "scratch"}


@pytest.mark.parametrize("name", ["m.ckpt", "m.ckpt.index"])
def test_what_is_no_table_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, name, "m.ckpt.data-00000-of-00001", content=TABLE[:-1])
    with pytest.raises(DataError, match="cut off; fetch it again"):
        in_archive(path, tmp_path)


def test_an_archive_of_graphs_holds_none(tmp_path: Path) -> None:
    assert in_archive(archive(tmp_path, "a.pb", "labels.txt"), tmp_path) is None
    path = tmp_path / "cut.tgz"
    path.write_bytes(gzip.compress(b"no tar"))
    with pytest.raises(DataError, match="damaged or cut off"):
        in_archive(path, tmp_path)


def test_on_disk_any_piece_names_the_whole(tmp_path: Path) -> None:
    shard, index = tmp_path / "m.ckpt.data-00000-of-00001", tmp_path / "m.ckpt.index"
    shard.write_bytes(b"numbers")
    with pytest.raises(DataError, match=r"lacks m\.ckpt\.index"):
        on_disk(shard)
    index.write_bytes(TABLE)
    for piece in (shard, index, tmp_path / "m.ckpt.meta"):
        assert looks_like_one(piece)
        found = on_disk(piece)
        assert (found.prefix, found.version) == (tmp_path / "m.ckpt", "V2")
    old = tmp_path / "old"
    old.write_bytes(TABLE)
    assert looks_like_one(old)
    assert on_disk(old).version == "V1"
    text = tmp_path / "text.ckpt"
    text.write_text("no checkpoint")
    with pytest.raises(DataError, match="is no checkpoint, or cut off"):
        on_disk(text)
    assert not looks_like_one(tmp_path / "m.tar.gz")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_followed(name: str) -> None:
    """Each of its tensors is in the plan that TensorFlow follows, once."""
    network = NETWORKS[name]
    with torch.device("meta"):
        module = network.build(network.outputs)
    operations = plan(module)
    used = [text for each in operations for text in _texts(each.options)]
    assert sorted(used) == sorted(network.places(module))
    made = {each.name for each in operations}
    assert all(set(each.inputs) <= made for each in operations)


def _texts(options: dict) -> list[str]:
    inner = [text for each in options.values() if isinstance(each, dict) for text in _texts(each)]
    return inner + [each for each in options.values() if isinstance(each, str) and "." in each]


@pytest.mark.parametrize(
    ("dataset", "variable"),
    [
        ("conv1/conv1/kernel:0", "Conv2d_0/weights"),
        ("conv1_bn/conv1_bn/moving_variance:0", "Conv2d_0/BatchNorm/moving_variance"),
        ("conv_dw_13/conv_dw_13/depthwise_kernel:0", "Conv2d_13_depthwise/depthwise_weights"),
        ("conv_pw_2_bn/conv_pw_2_bn/beta:0", "Conv2d_2_pointwise/BatchNorm/beta"),
        ("conv_preds/conv_preds/bias:0", "Logits/Conv2d_1c_1x1/biases"),
    ],
)
def test_kerass_names_of_mobilenet(dataset: str, variable: str) -> None:
    assert slim_name(dataset) == f"MobilenetV1/{variable}"
    assert slim_name(f"block_{dataset}") == f"block_{dataset}"


def test_data_of_a_keras_file_in_other_files_is_not_read(tmp_path: Path) -> None:
    """An HDF5 file may name any file as the place of its numbers."""
    h5py = pytest.importorskip("h5py", reason="comes with TensorFlow: pip install -e '.[paper]'")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(64)))
    path = tmp_path / "mobilenet_2_5_128_tf.h5"
    with h5py.File(path, "w") as file:
        file["conv1/conv1/bias:0"] = [1.0]
        file.create_dataset("conv1_bn/a/gamma:0", (16,), "f4", external=[(str(secret), 0, 64)])
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
        file.create_virtual_dataset("conv1_bn/a/beta:0", layout)
        file["conv1_bn/a/moving_mean:0"] = h5py.ExternalLink(str(secret), "x")
    with keras_variables(str(path)) as found:
        assert found.shapes == {"MobilenetV1/Conv2d_0/biases": (1,)}
