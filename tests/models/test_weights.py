"""Our own weight files: save, load and transfer."""

import json
from dataclasses import asdict, replace

import pytest
import torch

import ctnet
from ctnet.errors import WeightsError
from ctnet.models import weights
from ctnet.models.network import CTConfig
from ctnet.models.resnet import ResNetConfig
from ctnet.protocol import Protocol
from tests.support.networks import Payload, snapshot, unchanged

SMALL = {"num_classes": 5, "width": 16, "depths": (2, 2)}


@pytest.mark.parametrize("overrides", [
    {},
    {"ct": CTConfig(connect="serial")},
    {"ct": CTConfig(sizes=("rest", 4), kernels=(((1, 5, 5), (5, 1, 1)), ((1, 3, 3),)), excitation="se")},
    {"ct_blocks": ((), (1,)), "dropout": 0.1, "num_frames": 5},
])  # fmt: skip
def test_loaded_network_equals_saved_network(overrides, tmp_path):
    net = ctnet.create_model("ct_resnet50", **{**SMALL, **overrides}).eval()
    weights.save(net, tmp_path / "net.safetensors", classes=list("abcde"))
    back = weights.load(tmp_path / "net.safetensors")
    assert back.config == net.config and back.name == "ct_resnet50" and back.classes == list("abcde")
    clip = torch.randn(1, 3, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(back(clip), net(clip))


def test_load_gives_config_classes_and_protocol(tmp_path):
    net = ctnet.create_model("ctnet_inception_v3", num_classes=2, num_frames=5, width=32)
    protocol = Protocol(5, 3, 2, 75, "dense", short_side=80)
    ctnet.save(net, tmp_path / "net.safetensors", classes=["a", "b"], protocol=asdict(protocol))
    back = ctnet.load(tmp_path / "net.safetensors")
    assert (back.config, back.classes, back.protocol) == (net.config, ["a", "b"], protocol)
    assert not back.training
    ctnet.save(net, tmp_path / "bare.safetensors")
    bare = ctnet.load(tmp_path / "bare.safetensors")
    assert (bare.classes, bare.protocol) == (None, None)


def test_old_file_without_ct_loads_the_one_of_its_name(tmp_path):
    net = ctnet.create_model("ctnet_resnet50", **SMALL)
    write(tmp_path / "net", net, {"model": net.name, "config": SMALL})
    assert weights.load(tmp_path / "net").config == net.config


def write(path, net, facts):
    """Write a weight file with other facts than `save` does."""
    from safetensors.torch import save_file

    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    save_file(state, path, facts if facts is None else {"ctnet": json.dumps(facts)})


@pytest.mark.parametrize("facts,message", [
    (None, "which network"),
    ([], "which network"),
    ({"model": "resnet"}, "which network"),
    ({"model": []}, "which network"),
    ({"model": "tsn_resnet50"}, "no config"),
    ({"model": "tsn_resnet50", "config": 3}, "no config"),
    ({"model": "tsn_resnet50", "config": {"width": "16"}}, "width"),
    ({"model": "tsn_resnet50", "config": {**SMALL, "ct": {"colour": 1}}}, "colour"),
    ({"model": "tsn_resnet50", "config": {**SMALL, "ct": 7}}, "is not valid in this version"),
    ({"model": "tsn_resnet50", "config": SMALL, "protocol": {"films": 1}}, "films"),
    ({"model": "tsn_resnet50", "config": SMALL | {"width": 8}}, "does not fit"),
])  # fmt: skip
def test_file_without_valid_facts_raises(facts, message, tmp_path):
    write(tmp_path / "net.safetensors", ctnet.create_model("tsn_resnet50", **SMALL), facts)
    with pytest.raises(WeightsError, match=message) as error:
        weights.load(tmp_path / "net.safetensors")
    assert "net.safetensors" in str(error.value) and "\n" not in str(error.value)


def test_network_without_a_name_is_not_saved(tmp_path):
    net = replace(ResNetConfig(), **SMALL, ct_blocks=((), ())).build()
    with pytest.raises(WeightsError, match="without a name.*create_model"):
        weights.save(net, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


# transfer: all but the last layer


@pytest.mark.parametrize("name", ["ctnet_resnet50", "tsn_resnet50"])
def test_transfer_takes_all_but_the_last_layer(name, tmp_path):
    source = ctnet.create_model(name, **SMALL)
    for buffer in source.buffers():
        buffer.add_(1)  # statistics are transferred too
    weights.save(source, tmp_path / "source", classes=list("abcde"))
    target = ctnet.create_model(name, **SMALL | {"num_classes": 7})
    fresh = snapshot(target)
    assert weights.transfer(target, tmp_path / "source") is target
    for key, value in target.state_dict().items():
        expected = fresh[key] if key.startswith("fc.") else source.state_dict()[key]
        assert torch.equal(value, expected), key
    assert target.fc.out_features == 7 and any("running_mean" in key for key in fresh)


@pytest.mark.parametrize("other", [
    ("tsn_resnet50", SMALL),
    ("ct_resnet50", SMALL),
    ("ctnet_resnet50", SMALL | {"width": 32}),
    ("ctnet_resnet50", SMALL | {"depths": (2, 3)}),
], ids=str)  # fmt: skip
def test_transfer_from_another_network_raises(other, tmp_path):
    name, overrides = other
    weights.save(ctnet.create_model(name, **overrides), tmp_path / "other")
    net = ctnet.create_model("ctnet_resnet50", **SMALL)
    before = snapshot(net)
    with pytest.raises(WeightsError, match=f"^{tmp_path / 'other'}: does not fit the network, nothing was loaded"):
        weights.transfer(net, tmp_path / "other")
    assert unchanged(net, before)


@pytest.mark.parametrize("content", [None, b"", b"no weights"], ids=["absent", "empty", "text"])
def test_transfer_from_another_kind_of_file_raises(content, tmp_path):
    path = tmp_path / "some"
    if content is not None:
        path.write_bytes(content)
    net = ctnet.create_model("ctnet_resnet50", **SMALL)
    before = snapshot(net)
    with pytest.raises(WeightsError, match=f"^{path}: n"):  # no such file, not a file of our weights
        weights.transfer(net, path)
    assert unchanged(net, before)


def test_pickle_in_place_of_our_file_runs_nothing(tmp_path):
    for k, read in enumerate((ctnet.load, lambda path: weights.transfer(ctnet.create_model("tsn_resnet50"), path))):
        touched, path = tmp_path / f"touched{k}", tmp_path / f"evil{k}.safetensors"
        torch.save({"fc.bias": Payload(touched)}, path)
        with pytest.raises(WeightsError, match="not a file of our weights"):
            read(path)
        assert not touched.exists()


def test_saved_file_has_default_permissions(tmp_path):
    ctnet.save(ctnet.create_model("tsn_resnet50", num_classes=2, width=8), tmp_path / "a.safetensors")
    (tmp_path / "other").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "other"}


def test_error_names_at_most_five_keys_of_a_kind():
    net = ctnet.create_model("tsn_resnet50", **SMALL)
    with pytest.raises(WeightsError) as error:
        weights.fill(net, {f"extra{i}": torch.zeros(1) for i in range(5)}, "some file")
    keys = list(net.state_dict())
    missing = f"{len(keys)} missing: {', '.join(keys[:5])} and {len(keys) - 5} more"
    extra = "5 extra: extra0, extra1, extra2, extra3, extra4"
    assert str(error.value) == f"some file: does not fit the network, nothing was loaded; {missing}; {extra}"
